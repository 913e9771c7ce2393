"""Hypothesis strategies for power curves and profiles."""

from __future__ import annotations

from hypothesis import strategies as st

from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile

watts = st.floats(0.1, 5000, allow_nan=False)


@st.composite
def curves(draw: st.DrawFn, *, monotone: bool = False) -> PowerCurve:
    """Any curve over 2 to 12 points, rising throughout if asked for."""
    inner = draw(st.lists(st.floats(0.01, 0.99), max_size=10, unique=True))
    ratios = (0.0, *sorted(inner), 1.0)
    values = draw(st.lists(watts, min_size=len(ratios), max_size=len(ratios)))
    if monotone:
        values.sort()
    return PowerCurve(utilisation_ratios=ratios, watts=tuple(values))


@st.composite
def profiles(draw: st.DrawFn, *, monotone: bool = False) -> NodePowerProfile:
    """A profile on any curve, drawing less asleep than idle."""
    curve = draw(curves(monotone=monotone))
    sleep_watts = draw(st.floats(0, 1)) * curve.idle_watts
    return NodePowerProfile(name="node", curve=curve, sleep_watts=sleep_watts)
