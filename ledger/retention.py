"""How long the ledger keeps what: settings, and what one round of tidying did."""

from __future__ import annotations

from dataclasses import dataclass

from energy.errors import InputError


def require_bound(bound: float | None, *, where: str) -> None:
    """Refuse a bound below 1 with `InputError`; None is none."""
    if bound is not None and not 1 <= bound < float("inf"):
        raise InputError(
            f"must be at least 1, not {bound:g}", where=where, mend="leave it out to keep all"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What the ledger keeps; None keeps all.

    `days_max` counts from a pod's end: decisions of pods that run stay. `rows_max` bounds the
    decisions; those of ended pods go first. `predictions_servers_max` bounds the servers that all
    predictions compared, because one may compare ten thousand. The other days count from when a
    record was made, of errors of forecasts from when their window began, of sums by hour and by day
    from when the hour or day began.

    Raises `InputError` for a bound below 1.
    """

    days_max: float | None = None
    rows_max: int | None = None
    predictions_days_max: float | None = 92
    predictions_servers_max: int | None = 1_000_000
    actions_days_max: float | None = 400
    forecast_errors_days_max: float | None = 92
    hours_days_max: float = 62
    savings_days_max: float | None = 1098

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            require_bound(value, where=f"retention, {name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """What a round did, or would do: decisions that went into sums, and rows that were deleted.

    `more` is whether there is more to do than one round's batches.
    """

    summed: int = 0
    decisions: int = 0
    predictions: int = 0
    actions: int = 0
    forecast_errors: int = 0
    savings: int = 0
    more: bool = False
