"""The convex envelope of a power curve: what a core costs on a node that is used as a whole.

A measured curve rises steeply over the first tenth of load and again over the last, and a node
that may sleep pays its idle watts on top of the first. So greedy marginal watts avoid exactly the
node that should be filled. The envelope is the largest convex function below the curve: its first
piece is the average cost of a core up to the load at which the node is most efficient, the next
ones are what the steeper rest costs. Of a fleet of many nodes it is also the exact optimum, because
nodes can be mixed: the y of the placement program are its corners.
"""

from __future__ import annotations

from collections.abc import Sequence

from energy.cost import steepest_slope_watts
from energy.errors import InputError
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile


def convex_envelope(
    profile: NodePowerProfile,
    usage_ratio: float,
    *,
    node_may_sleep: bool,
    earned_watts: float = 0.0,
) -> PowerCurve:
    """The convex envelope of a node's watts from no pods to full requests.

    Args:
        profile: the node.
        usage_ratio: what pods use of each core they request: full requests run at this load.
        node_may_sleep: the envelope starts at the sleeping watts, else at the idle watts.
        earned_watts: what of the watts of being awake something other than cores pays for, such as
            the node's memory. The envelope starts so much higher, but not so high that it would
            fall: where memory pays for all of it, cores cost nothing until they draw more.

    Returns:
        The envelope as a curve over load. Beyond ``usage_ratio``, where no requests can bring the
        node, it goes on at the steepest slope of the curve or of the envelope.

    Raises:
        InputError: ``usage_ratio`` is outside (0, 1].
    """
    if not 0.0 < usage_ratio <= 1.0:
        raise InputError(
            f"usage ratio {usage_ratio} is outside (0, 1]", mend="give 1 where pods use all"
        )
    curve = profile.curve
    loaded = [
        (ratio, watts)
        for ratio, watts in zip(curve.utilisation_ratios, curve.watts, strict=True)
        if 0.0 < ratio < usage_ratio
    ]
    loaded.append((usage_ratio, curve.watts_at(usage_ratio)))
    empty_watts = profile.sleep_watts if node_may_sleep else curve.idle_watts
    level_watts = max(empty_watts, min(watts for _, watts in loaded))
    points = [(0.0, min(empty_watts + earned_watts, level_watts)), *loaded]
    ratios, watts = zip(*points, strict=True)
    corners = [points[index] for index in lower_hull(ratios, watts)]
    if usage_ratio < 1.0:
        # Waking alone may rise steeper than any of the curve: what follows must not be cheaper.
        slope_watts = max(steepest_slope_watts(curve), _slope(corners[-2], corners[-1]), 0.0)
        corners.append((1.0, corners[-1][1] + (1.0 - usage_ratio) * slope_watts))
    return PowerCurve(
        utilisation_ratios=tuple(ratio for ratio, _ in corners),
        watts=tuple(watts for _, watts in corners),
    )


def lower_hull(ratios: Sequence[float], watts: Sequence[float]) -> list[int]:
    """Indices of the points below which no chord of two others runs; ``ratios`` rise."""
    hull: list[int] = []
    for index in range(len(ratios)):
        while len(hull) > 1 and _is_above(ratios, watts, hull[-2], hull[-1], index):
            hull.pop()
        hull.append(index)
    return hull


def _is_above(
    ratios: Sequence[float], watts: Sequence[float], left: int, middle: int, right: int
) -> bool:
    rise = (watts[right] - watts[left]) * (ratios[middle] - ratios[left])
    return (watts[middle] - watts[left]) * (ratios[right] - ratios[left]) >= rise


def _slope(start: tuple[float, float], end: tuple[float, float]) -> float:
    return (end[1] - start[1]) / (end[0] - start[0])
