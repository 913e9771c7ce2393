"""What the network sees of a series: scale-free, with the missing part masked.

Everything is relative to the mean of the last five minutes and in units of how much the series
usually changes in ten minutes, so that one network serves them all. Beside the recent path stand
the paths of the same hours on the last seven days, each relative to its own present.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.history import DAY_BUCKETS, PAST_BUCKETS, RECENT_MINUTES, HistoryView
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES
from forecaster.present import (
    deviation_present,
    mean_present,
    median_present,
    newest_present,
)

Floats = npt.NDArray[np.float32]

STEPS: Final = RECENT_MINUTES // BUCKET_MINUTES
DAYS: Final = 7
HORIZONS: Final = len(HORIZONS_MINUTES)
#: How far a value may lie from the present, in units of the scale; beyond it is clipped.
CLIP: Final = 12.0
#: A present older than this is none.
LEVEL_MINUTES_MAX: Final = 30
#: Below this share of the level a change is rounding, not traffic.
SCALE_RATIO_MIN: Final = 1e-3
SEQUENCE_CHANNELS: Final = BUCKET_MINUTES + 6
CANDIDATES: Final = 6
HORIZON_FEATURES: Final = 2 * DAYS + 2 + HORIZONS
CLOCK_FEATURES: Final = 6
CONTEXT_FEATURES: Final = CLOCK_FEATURES + 3 + 2 * DAYS
_DAY_MINUTES: Final = 1440
_WEEK_MINUTES: Final = 7 * _DAY_MINUTES
_WEEK: Final = DAYS - 1
_TINY: Final = np.float32(1e-9)


@dataclass(frozen=True, slots=True)
class Windows:
    """n windows, all float32, nothing missing but where `centre` is NaN.

    Attributes:
        sequence: [n, 24, 11], the last two hours in steps of five minutes, the newest last: five
            one-minute values, their mask and mean, the same stretch of the median of the last
            days, of yesterday and of last week, and how far the first is from the median.
        candidates: [n, 6, 6], by horizon: changes that naive forecasts expect: none, the median
            and the mean of the last days' changes, yesterday's, last week's, the median smoothed.
        candidate_present: [n, 6, 6], 1 where the candidate exists.
        horizons: [n, 6, 22]: changes of each of the last seven days over the horizon, their
            masks, median and standard deviation, and which horizon it is.
        context: [n, 23]: time of day and of week, noise against level, short against long
            changes, the last minute, the levels of the last seven days with masks.
        centre: [n], requests/s around which all is; NaN where nothing was seen for half an hour.
        scale: [n], requests/s of one unit.
    """

    sequence: Floats
    candidates: Floats
    candidate_present: Floats
    horizons: Floats
    context: Floats
    centre: Floats
    scale: Floats

    def inputs(self) -> dict[str, Floats]:
        """Return what the network takes, by its inputs' names."""
        return {name: getattr(self, name) for name in INPUTS}


#: Of one window's inputs, by name.
SHAPES: Final = {
    "sequence": (STEPS, SEQUENCE_CHANNELS),
    "candidates": (HORIZONS, CANDIDATES),
    "candidate_present": (HORIZONS, CANDIDATES),
    "horizons": (HORIZONS, HORIZON_FEATURES),
    "context": (CONTEXT_FEATURES,),
}
INPUTS: Final = tuple(SHAPES)


def windows_of(view: HistoryView) -> Windows:
    """Cut the windows of n series as of the view's minute."""
    steps = view.recent.reshape(-1, STEPS, BUCKET_MINUTES)
    means = mean_present(steps, axis=2)
    centre = newest_present(means[:, -LEVEL_MINUTES_MAX // BUCKET_MINUTES :])
    scale = scale_of(view, centre)
    with np.errstate(invalid="ignore", over="ignore"):
        paths = (lagged := days_before(view)) - lagged[:, :, STEPS - 1 : STEPS]
        paths /= scale[:, None, None]
        level = centre[:, None]
        offsets = (lagged[:, :, STEPS - 1] - level) / scale[:, None]
        recent = (steps - level[:, :, None]) / scale[:, None, None]
        recent_means = (means - level) / scale[:, None]
    median = median_present(paths)
    candidates, present, horizons = _of_horizons(paths, median)
    return Windows(
        sequence=_sequence(recent, recent_means, paths, median),
        candidates=candidates,
        candidate_present=present,
        horizons=horizons,
        context=_context(view, centre, scale, offsets),
        centre=centre,
        scale=scale,
    )


def scale_of(view: HistoryView, centre: Floats) -> Floats:
    """Return how much each series usually changes in ten minutes: [n], requests/s, above 0.

    The mean absolute change of five-minute means over the last day, and the mean distance of the
    recent minutes from the means of their own five: of smooth and of noisy series the larger.
    """
    day = view.past[:, -DAY_BUCKETS:]
    changes = mean_present(np.abs(day[:, 2:] - day[:, :-2]), axis=1)
    steps = view.recent.reshape(-1, STEPS, BUCKET_MINUTES)
    apart = np.abs(steps - mean_present(steps, axis=2)[:, :, None])
    noise = mean_present(apart.reshape(-1, RECENT_MINUTES), axis=1)
    larger = np.fmax(changes, noise)
    least = np.fmax(np.abs(centre) * np.float32(SCALE_RATIO_MIN), _TINY)
    return np.fmax(np.fmax(larger, least), _TINY).astype(np.float32)


def days_before(view: HistoryView) -> Floats:
    """Return the five-minute means around now of each of the last seven days: [n, 7, 31].

    Step 23 ends as long of day ago as the view's minute, step 24 five minutes later. Between the
    grid's buckets it is interpolated.
    """
    now = PAST_BUCKETS - 1
    steps = np.arange(-STEPS + 1, HORIZONS + 2)
    days = DAY_BUCKETS * np.arange(1, DAYS + 1)
    at = now - days[:, None] + steps
    lower = view.past[:, at]
    if not view.offset_minutes:
        return lower
    share = np.float32(view.offset_minutes / BUCKET_MINUTES)
    upper = view.past[:, at + 1]
    between = lower + (upper - lower) * share
    return np.where(np.isnan(between), np.where(np.isnan(lower), upper, lower), between)


def clock_of(minutes: npt.ArrayLike) -> Floats:
    """Return sine and cosine of the time of day, of half a day and of the week: [n, 6].

    Args:
        minutes: int[n], minute numbers; the first of `Windows.context`'s columns are these.
    """
    at = np.atleast_1d(np.asarray(minutes, dtype=np.int64))
    day = 2 * np.pi * (at % _DAY_MINUTES) / _DAY_MINUTES
    week = 2 * np.pi * (at % _WEEK_MINUTES) / _WEEK_MINUTES
    turns = [f(turn) for turn in (day, 2 * day, week) for f in (np.sin, np.cos)]
    return np.stack(turns, axis=1).astype(np.float32)


def _filled(values: Floats) -> Floats:
    return np.nan_to_num(np.clip(values, -CLIP, CLIP), nan=0.0).astype(np.float32)


def _mask(values: Floats) -> Floats:
    return (~np.isnan(values)).astype(np.float32)


def _sequence(recent: Floats, means: Floats, paths: Floats, median: Floats) -> Floats:
    usual = median[:, :STEPS]
    channels = [_filled(recent), _mask(means)[..., None]]
    others = (means, usual, paths[:, 0, :STEPS], paths[:, _WEEK, :STEPS], means - usual)
    return np.concatenate([*channels, *(_filled(other)[..., None] for other in others)], axis=-1)


def _of_horizons(paths: Floats, median: Floats) -> tuple[Floats, Floats, Floats]:
    """Return candidates, their masks and the horizons' features."""
    ahead = paths[:, :, STEPS : STEPS + HORIZONS]
    later = paths[:, :, STEPS + 1 : STEPS + HORIZONS + 1]
    usual = median[:, STEPS : STEPS + HORIZONS]
    mean = mean_present(ahead, axis=1)
    smooth = median_present(((ahead + later) / 2).astype(np.float32, copy=False))
    naive = (np.zeros_like(usual), usual, mean, ahead[:, 0], ahead[:, _WEEK], smooth)
    spread = deviation_present(ahead, mean)
    by_horizon = ahead.transpose(0, 2, 1)
    which = np.broadcast_to(np.eye(HORIZONS, dtype=np.float32), (len(paths), HORIZONS, HORIZONS))
    features = [_filled(by_horizon), _mask(by_horizon)]
    features += [_filled(usual)[..., None], _filled(spread)[..., None], which]
    return (
        np.stack([_filled(one) for one in naive], axis=-1),
        np.stack([_mask(one) for one in naive], axis=-1),
        np.concatenate(features, axis=-1),
    )


def _context(view: HistoryView, centre: Floats, scale: Floats, offsets: Floats) -> Floats:
    clock = clock_of(view.minute)
    recent = mean_present(np.abs(view.recent[:, 10:] - view.recent[:, :-10]), axis=1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        columns = [
            np.log(scale / (np.abs(centre) + _TINY) + 1e-6) / 3,
            np.log(recent / scale + 1e-3),
            (newest_present(view.recent[:, -10:]) - centre) / scale,
        ]
    fixed = np.broadcast_to(clock, (len(centre), clock.shape[1]))
    rest = np.stack([_filled(column) for column in columns], axis=1)
    return np.concatenate([fixed, rest, _filled(offsets), _mask(offsets)], axis=1)
