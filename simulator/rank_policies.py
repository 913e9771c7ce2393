"""Which policies the rank suite compares, and which variants its ablations ask about."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.policies import LABEL, POLICIES

# In the order of the tables. Those that do not exist are left out.
_RANKED = (
    LABEL,
    "most-allocated",
    "fill-cost",
    "envelope",
    "bid-price",
    "booking-limit",
    "situational",
)
RANKED_POLICIES = tuple(name for name in _RANKED if name in POLICIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """A variant of a rule: what it asks, what was changed, and where it is run."""

    question: str
    label: str
    policy: str
    families: tuple[str, ...]


_ABLATIONS: tuple[Ablation, ...] = ()
ABLATIONS = tuple(one for one in _ABLATIONS if one.policy in POLICIES)
