"""What a core costs on a node: when the node is filled, and when one more pod arrives now.

Curves are U-shaped at the margin: the first tenth of load and the last cost more than the middle.
So the marginal watts of a pod depend on the present load, and only the fill cost ranks nodes
independently of it.
"""

from __future__ import annotations

import math

from energy.errors import InputError
from energy.power_curve import ROUNDING_RATIO, PowerCurve
from energy.profile import NodePowerProfile


def fill_cost_watts_per_core(
    profile: NodePowerProfile,
    cpu_cores: float,
    target_utilisation_ratio: float = 1.0,
    *,
    node_may_sleep: bool = True,
) -> float:
    """Watts per used core of a node that is filled to its target.

    Where the node may sleep instead, its idle watts are part of the price (less what it would draw
    asleep); where it stays on in any case they are spent already and only the load's watts count.
    """
    _require_positive("cpu_cores", cpu_cores)
    _require_positive("target_utilisation_ratio", target_utilisation_ratio)
    if target_utilisation_ratio > 1:
        raise InputError(
            f"target_utilisation_ratio is {target_utilisation_ratio}", mend="give at most 1"
        )
    avoidable_watts = profile.sleep_watts if node_may_sleep else profile.idle_watts
    filled_watts = profile.curve.watts_at(target_utilisation_ratio)
    return (filled_watts - avoidable_watts) / (cpu_cores * target_utilisation_ratio)


def marginal_watts(
    profile: NodePowerProfile,
    cpu_cores: float,
    used_cores: float,
    added_cores: float,
    *,
    node_asleep: bool = False,
) -> float:
    """Watts that `added_cores` of use add to a node where `used_cores` are busy.

    Load above the node's cores is charged at the steepest slope of its curve: a curve that stays
    flat there would make an overloaded node look free. A node asleep also pays for being on.
    """
    _require_positive("cpu_cores", cpu_cores)
    if not (math.isfinite(used_cores) and used_cores >= -ROUNDING_RATIO * cpu_cores):
        raise InputError(f"used_cores is {used_cores}", mend="give a number from 0 up")
    if not (math.isfinite(added_cores) and added_cores >= 0):
        raise InputError(f"added_cores is {added_cores}", mend="give a number from 0 up")
    before = max(0.0, used_cores / cpu_cores)
    added_watts = _extended_watts(profile.curve, before + added_cores / cpu_cores)
    waking_watts = profile.idle_watts - profile.sleep_watts if node_asleep else 0.0
    return added_watts - _extended_watts(profile.curve, before) + waking_watts


def steepest_slope_watts(curve: PowerCurve) -> float:
    """Watts per unit of utilisation of the steepest piece of a curve."""
    ratios, watts = curve.utilisation_ratios, curve.watts
    return max(
        (watts[right] - watts[right - 1]) / (ratios[right] - ratios[right - 1])
        for right in range(1, len(ratios))
    )


def _extended_watts(curve: PowerCurve, utilisation_ratio: float) -> float:
    overload_ratio = max(0.0, utilisation_ratio - 1.0)
    overload_watts = overload_ratio * steepest_slope_watts(curve) if overload_ratio else 0.0
    return curve.watts_at(utilisation_ratio) + overload_watts


def _require_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name} is {value}", mend="give a finite number above 0")
