"""Windows at many origins of one series, each as the service would have cut it at that minute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.history import PAST_BUCKETS, RECENT_MINUTES, HistoryView
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES
from forecaster.training.series import Places, TrainingSeries
from forecaster.windows import CLOCK_FEATURES, INPUTS, Windows, clock_of, windows_of

#: Rows of `HistoryView.past` at once: 4096 x 2304 float32 are 38 MB.
_ROWS_MAX: Final = 4096

Floats = npt.NDArray[np.float32]
Minutes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Examples:
    """n windows with what came.

    Attributes:
        inputs: what the network takes, by its inputs' names; the leading axis is n.
        targets: float32[n, 6], what came, relative to centre and scale; NaN: an outage.
        actual: float32[n, 6], requests/s.
        last: float32[n], requests/s at the origin.
        centre: float32[n], requests/s.
        scale: float32[n], requests/s.
    """

    inputs: dict[str, Floats]
    targets: Floats
    actual: Floats
    last: Floats
    centre: Floats
    scale: Floats

    def __len__(self) -> int:
        return len(self.centre)

    def take(self, rows: npt.NDArray[np.int64]) -> Examples:
        """Return some rows."""
        return Examples(
            {name: values[rows] for name, values in self.inputs.items()},
            *(getattr(self, name)[rows] for name in _ARRAYS),
        )


_ARRAYS: Final = ("targets", "actual", "last", "centre", "scale")


def joined(parts: Sequence[Examples]) -> Examples:
    """Put examples one after another."""
    return Examples(
        {name: np.concatenate([part.inputs[name] for part in parts]) for name in INPUTS},
        *(np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS),
    )


def examples_at(
    series: TrainingSeries,
    places: Places,
    *,
    ages_minutes: Minutes | None = None,
    clipped: bool = False,
) -> Examples:
    """Cut the windows at some origins of a series.

    Args:
        series: at least half an hour longer than the last place.
        places: int64[n], indices into the series; any minute of a bucket.
        ages_minutes: int64[n], how much history each window may show (None: all there is).
        clipped: whether `targets` are those without outliers (for training).
    """
    parts, order = [], []
    for view, minutes, rows in _views(series, places, ages_minutes):
        windows = windows_of(view)
        windows.context[:, :CLOCK_FEATURES] = clock_of(minutes)
        parts.append(_examples(series, places[rows], windows, clipped=clipped))
        order.append(rows)
    return joined(parts).take(np.argsort(np.concatenate(order), kind="stable"))


def _examples(
    series: TrainingSeries, places: Places, windows: Windows, *, clipped: bool
) -> Examples:
    ahead = places[:, None] + np.array(HORIZONS_MINUTES)
    wanted = (series.targets if clipped else series.values)[ahead]
    relative = (wanted - windows.centre[:, None]) / windows.scale[:, None]
    return Examples(
        windows.inputs(),
        relative.astype(np.float32),
        series.values[ahead].astype(np.float32),
        series.values[places].astype(np.float32),
        windows.centre,
        windows.scale,
    )


def _views(
    series: TrainingSeries, places: Places, ages_minutes: Minutes | None
) -> Iterator[tuple[HistoryView, Minutes, npt.NDArray[np.int64]]]:
    """Views whose rows lie equally far behind a bucket's end; their minutes and row numbers.

    A view speaks of one minute alone: the first row's. Only the clock depends on it.
    """
    minutes = series.first_minute + places
    padded = np.concatenate([np.full(RECENT_MINUTES, np.nan), series.values]).astype(np.float32)
    first_bucket, means = _buckets(series)
    for offset in range(BUCKET_MINUTES):
        alike = np.flatnonzero(minutes % BUCKET_MINUTES == offset)
        for start in range(0, len(alike), _ROWS_MAX):
            rows = alike[start : start + _ROWS_MAX]
            recent = padded[places[rows, None] + np.arange(1, RECENT_MINUTES + 1)]
            at = minutes[rows, None] // BUCKET_MINUTES - first_bucket
            past = means[at + np.arange(1, PAST_BUCKETS + 1)]
            if ages_minutes is not None:
                _hide(recent, past, offset, ages_minutes[rows])
            yield HistoryView(int(minutes[rows[0]]), recent, past), minutes[rows], rows


def _buckets(series: TrainingSeries) -> tuple[int, Floats]:
    """Number of the first bucket, and means on the grid behind PAST_BUCKETS of NaN.

    Bucket b holds the minutes 5b - 4 ... 5b; one that ends after the series is never shown.
    """
    first = -(-series.first_minute // BUCKET_MINUTES)
    before = series.first_minute - (first * BUCKET_MINUTES - BUCKET_MINUTES + 1)
    after = -(before + len(series.values)) % BUCKET_MINUTES
    grid = np.pad(series.values, (before, after), constant_values=np.nan)
    blocks = grid.reshape(-1, BUCKET_MINUTES)
    there = ~np.isnan(blocks)
    with np.errstate(invalid="ignore"):
        means = np.where(there, blocks, 0).sum(axis=1) / there.sum(axis=1)
    return first, np.pad(means, (PAST_BUCKETS, 0), constant_values=np.nan).astype(np.float32)


def _hide(recent: Floats, past: Floats, offset: int, ages_minutes: Minutes) -> None:
    """Take away what is older than each row's age."""
    back = np.arange(RECENT_MINUTES - 1, -1, -1)
    recent[back >= ages_minutes[:, None]] = np.nan
    back = np.arange(PAST_BUCKETS - 1, -1, -1) * BUCKET_MINUTES + offset
    past[back >= ages_minutes[:, None]] = np.nan
