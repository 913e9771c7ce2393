"""What an operator decides about ranking, as the core takes it."""

from __future__ import annotations

from dataclasses import dataclass

from pricing.demand import ExpectedDemand


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreOptions:
    """What an operator decides; see `extender.settings` for each.

    ``usage_ratio`` is None where it is to be measured.
    """

    mode: str = "observe"
    rule: str = "negawatt"
    scheduler_names: tuple[str, ...] = ("negawatt",)
    usage_ratio: float | None = None
    usage_ratio_fallback: float = 0.5
    nodes_may_sleep: bool = False
    utilisation_ceiling_ratio: float = 0.7
    assume_seconds: float = 10.0
    stale_seconds: float = 120.0
    decisions_remembered: int = 10_000
    expected_demand: ExpectedDemand | None = None
