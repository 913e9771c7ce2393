"""A power profile from a predicted curve, with what it was predicted from."""

from __future__ import annotations

from typing import Final

from energy.profile import NodePowerProfile, ProfileSource, Scope
from energy.regressor.artefact import Regressor
from energy.regressor.facts import ServerFacts

#: With idle and peak known, half of the servers are within 2 % on average; without, within 9 %
#: where servers of the same age were seen and within 14 % where they were not.
TWO_POINTS_TRUST: Final = 0.5
SIZE_ONLY_TRUST: Final = 0.15


def predicted_profile(regressor: Regressor, facts: ServerFacts) -> NodePowerProfile:
    """Return the profile of a server from facts, and say which watts were known."""
    known = [name for name in ("idle_watts", "peak_watts") if getattr(facts, name) is not None]
    both = len(known) == 2  # noqa: PLR2004 - idle and peak
    basis = f"curve predicted by {regressor.name} from {' and '.join(known) or 'size alone'}"
    return NodePowerProfile(
        name=f"predicted-{facts.cores}-cores",
        curve=regressor.curve(facts),
        scope=Scope.WALL,
        source=ProfileSource.PREDICTED,
        trust=TWO_POINTS_TRUST if both else SIZE_ONLY_TRUST,
        notes=(basis,),
    )
