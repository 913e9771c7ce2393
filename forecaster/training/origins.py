"""Views of a whole series at many origins at once, for training: what was known then, no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecaster.history import PAST_BUCKETS, RECENT_MINUTES, Floats, HistoryView
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES


@dataclass(frozen=True, slots=True)
class Series:
    """A series to learn from.

    Attributes:
        name: what it is called in reports.
        first_minute: the minute number of the first value.
        requests_per_second: float[n], one per minute; NaN: absent or an outage.
        step_minutes: of so many minutes, from the first on, each has the value of a longer step.
    """

    name: str
    first_minute: int
    requests_per_second: npt.NDArray[np.float64]
    step_minutes: int = 1


class Origins:
    """Every fifth minute of a series, from its start to half an hour before its end.

    Of a series of longer steps those at which one ends: in its middle it knows minutes to come.

    Origins lie on the absolute five-minute grid, so that all share one `HistoryView`, an origin a
    row. The view's minute is that of the first origin; features ask for its place in five minutes
    only.
    """

    def __init__(self, series: Series) -> None:
        values = series.requests_per_second
        self._first = -series.first_minute % BUCKET_MINUTES
        self.minute = series.first_minute + self._first
        last = len(values) - HORIZONS_MINUTES[-1]
        every = np.arange(self._first, max(last, self._first), BUCKET_MINUTES)
        self._rows = np.flatnonzero((every + 1) % series.step_minutes == 0)
        self.indices = every[self._rows]
        padding = PAST_BUCKETS * BUCKET_MINUTES - self._first - 1
        padded = np.concatenate([np.full(padding, np.nan), values])
        whole = padded[: len(padded) // BUCKET_MINUTES * BUCKET_MINUTES]
        self._minutes = np.lib.stride_tricks.sliding_window_view(
            padded.astype(np.float32), RECENT_MINUTES
        )
        self._buckets = np.lib.stride_tricks.sliding_window_view(_means(whole), PAST_BUCKETS)
        self._recent = self.indices + padding - RECENT_MINUTES + 1
        ahead = self.indices[:, None] + np.array(HORIZONS_MINUTES)
        self.targets: npt.NDArray[np.float64] = values[ahead] if len(ahead) else np.empty((0, 6))

    def __len__(self) -> int:
        return len(self.indices)

    def view(self, rows: npt.NDArray[np.intp]) -> HistoryView:
        """Return what was known at the origins with these numbers, an origin a row."""
        return HistoryView(
            self.minute, self._minutes[self._recent[rows]], self._buckets[self._rows[rows]]
        )


def _means(values: npt.NDArray[np.float64]) -> Floats:
    """Means of five minutes each; NaN where all are absent."""
    fives = values.reshape(-1, BUCKET_MINUTES)
    there = ~np.isnan(fives)
    count = there.sum(axis=1)
    total = np.where(there, fives, 0.0).sum(axis=1)
    found = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found.astype(np.float32)
