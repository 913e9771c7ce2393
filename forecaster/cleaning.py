"""What was not traffic: absent minutes, NaN, and zeros that a series' own level makes incredible.

A zero is incredible where the hour before was steady: of the newest 60 known minutes among the 120
before it, the 5 % quantile is at least 0.7 of the median. A series that scatters so little has a
coefficient of variation below 0.3 / 1.645 = 0.18, so that a zero lies more than five standard
deviations below its level; counts that scatter so little number at least 30 a minute, of which
none comes with probability exp(-30). A web site's night with a few requests a minute scatters more,
and its zeros are traffic. Fewer than 30 known minutes prove nothing: after an hour and a half of
zeros a series is what it says, switched off.

A minute beside such zeros is cut by them where it is below 0.7 of the level before, and, after
them, of the minute that follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

SIGHT_MINUTES: Final = 120
LEVEL_MINUTES: Final = 60
LEVEL_MINUTES_MIN: Final = 30
STEADY_QUANTILE: Final = 0.05
STEADY_RATIO: Final = 0.7

#: Training only: the window of the local median, that of the local scatter, and how far is too far.
MEDIAN_MINUTES: Final = 31
SCATTER_MINUTES: Final = 241
CLIP_SIGMAS: Final = 8.0
CLIPPED_RATIO_MAX: Final = 0.002
#: Of a normal distribution: its standard deviation divided by its median absolute deviation.
SIGMA_PER_MAD: Final = 1.4826
_CHUNK: Final = 8192

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Outages:
    """What is no traffic in a series of minutes.

    Attributes:
        marked: bool[n].
        leading: bool[n], those of `marked` that the zeros after them only cut.
        trailing: bool[n], those of `marked` that the zeros before them only cut.
    """

    marked: Booleans
    leading: Booleans
    trailing: Booleans

    @property
    def edges(self) -> Booleans:
        """bool[n], what is cut. It is known one minute later; all else when the minute ends."""
        return self.leading | self.trailing

    @property
    def told(self) -> Booleans:
        """bool[n], what a forecaster is told of: all but the trailing edges.

        Minute by minute it cannot know them: of the minutes before it has kept that they had no
        value, not that they were zeros. Neither may it depend on how many come at once.
        """
        return self.marked & ~self.trailing

    def known_at(self, index: int) -> Booleans:
        """Return bool[index + 1]: the marks as they were known at the end of minute `index`."""
        known = self.marked[: index + 1].copy()
        known[index] &= not self.edges[index]
        return known


def find_outages(values: npt.ArrayLike, step_minutes: int = 1, judged_minutes: int = 0) -> Outages:
    """Mark what is absent, what is NaN and what is an incredible run of zeros.

    Args:
        values: float[n], a value a minute without missing minutes in between; NaN: absent.
        step_minutes: of so many minutes, from the first on, each has the value of a longer step;
            n is a multiple of it. A step is cut whole.
        judged_minutes: of so many at the beginning it is known already: what was an outage is NaN,
            and runs of zeros that began there are traffic.
    """
    series = np.asarray(values, dtype=np.float64)
    outages = Outages(np.isnan(series), *np.zeros((2, len(series)), dtype=np.bool_))
    for first, end in _runs(series == 0):
        if first >= judged_minutes:
            _mark_run(series, outages, (first, end), step_minutes)
    if step_minutes == 1:
        return outages
    whole = (
        np.repeat(marks.reshape(-1, step_minutes).any(axis=1), step_minutes)
        for marks in (outages.marked, outages.leading, outages.trailing)
    )
    return Outages(*whole)


def steady_levels(before: npt.ArrayLike) -> Floats:
    """Return the levels beside which a zero would be incredible: float[n], NaN where none is.

    Args:
        before: float[n, m], the minutes before the zero, the newest last, 120 of them or fewer;
            NaN: absent or outage.
    """
    window = np.asarray(before, dtype=np.float64)[:, -SIGHT_MINUTES:]
    known = ~np.isnan(window)
    newest = known & (known[:, ::-1].cumsum(axis=1)[:, ::-1] <= LEVEL_MINUTES)
    ordered = np.sort(np.where(newest, window, np.nan), axis=1)
    counts = newest.sum(axis=1)
    levels, lows = _quantile(ordered, counts, 0.5), _quantile(ordered, counts, STEADY_QUANTILE)
    steady = (counts >= LEVEL_MINUTES_MIN) & (levels > 0) & (lows >= STEADY_RATIO * levels)
    return np.where(steady, levels, np.nan)


def without_outages(values: npt.ArrayLike) -> Floats:
    """Return a copy of float[n] in which every outage is NaN."""
    series = np.array(values, dtype=np.float64)
    series[find_outages(series).marked] = np.nan
    return series


def clip_outliers(values: npt.ArrayLike, sigmas: float = CLIP_SIGMAS) -> Floats:
    """Return a copy without the spikes of single minutes: for training only, never for serving.

    What is farther than `sigmas` robust standard deviations from the median of the 31 minutes
    around it is set to that distance. The deviation is that of the four hours around. A surge of
    more than a quarter of an hour moves the median and stays. Where more than one minute in 500
    lies so far away that is the series' habit, and only the farthest one in 500 are clipped.

    Args:
        values: float[n], a value a minute; NaN (outages) stays NaN.
        sigmas: how far is allowed, in robust standard deviations.
    """
    series = np.array(values, dtype=np.float64)
    known = ~np.isnan(series)
    if known.sum() < MEDIAN_MINUTES:
        return series
    places = np.arange(len(series))
    filled = np.interp(places, places[known], series[known])
    level = _rolling_median(filled, MEDIAN_MINUTES)
    sigma = SIGMA_PER_MAD * _rolling_median(np.abs(filled - level), SCATTER_MINUTES)
    # Where most minutes are alike the scatter is nothing, and nothing can be said.
    sigma = np.where(sigma > 0, sigma, np.inf)
    habit = np.quantile(np.abs(filled - level)[known] / sigma[known], 1 - CLIPPED_RATIO_MAX)
    reach = max(sigmas, float(habit)) * sigma
    clipped = np.clip(filled, np.maximum(level - reach, 0.0), level + reach)
    return np.where(known, clipped, np.nan)


def _runs(wanted: Booleans) -> list[tuple[int, int]]:
    """Runs of true: first index, and the index after the last."""
    changes = np.diff(np.concatenate([[0], wanted.astype(np.int8), [0]]))
    firsts, ends = np.flatnonzero(changes == 1), np.flatnonzero(changes == -1)
    return list(zip(firsts.tolist(), ends.tolist(), strict=True))


def _mark_run(series: Floats, outages: Outages, run: tuple[int, int], step: int) -> None:
    """Mark what is incredible of a run of zeros, and the minutes that it cuts."""
    marked, trailing = outages.marked, outages.trailing
    first, end = run
    level = np.nan
    last = first
    # Of a step that may be cut one minute counts.
    passed_over = slice(max(0, first - step), first - 1 if first else 0)
    while last < end:
        since = max(0, last - SIGHT_MINUTES)
        seen = np.where(marked[since:last] & ~trailing[since:last], np.nan, series[since:last])
        seen[max(0, passed_over.start - since) : max(0, passed_over.stop - since)] = np.nan
        found = steady_levels(seen[None])[0]
        if np.isnan(found):
            break
        marked[last] = True
        if last == first:
            level = found
            # At once: of the zeros to come none is judged by what is known to be cut.
            if 0 < series[first - 1] < STEADY_RATIO * level:
                marked[first - 1] = outages.leading[first - 1] = True
        last += 1
    if first < last == end and end + step < len(series):
        following = np.fmin(level, series[end + step])
        if 0 < series[end] < STEADY_RATIO * following:
            marked[end] = trailing[end] = True


def _quantile(ordered: Floats, counts: npt.NDArray[np.int_], level: float) -> Floats:
    """Quantiles of the first `counts` of each row, float[n]; NaN where a row has none."""
    if not ordered.shape[1]:
        return np.full(len(ordered), np.nan)
    places = level * np.maximum(counts - 1, 0)
    below = np.floor(places).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(counts - 1, 0))
    rows = np.arange(len(ordered))
    return ordered[rows, below] + (places - below) * (ordered[rows, above] - ordered[rows, below])


def _rolling_median(values: Floats, minutes: int) -> Floats:
    """Centred medians of float[n]; at the ends of what is there, mirrored."""
    half = min(minutes // 2, len(values) - 1)
    padded = np.pad(values, half, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    chunks = range(0, len(values), _CHUNK)
    return np.concatenate([np.median(windows[start : start + _CHUNK], axis=1) for start in chunks])
