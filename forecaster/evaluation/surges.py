"""Surges: which came, which were seen coming, and which alarms were false.

A step is a five-minute mean. It surges where it is at least 25 % above the step ten minutes before
and above it by more than three robust standard deviations of such differences in the training part.
Steps that surge one after another are one surge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.horizons import BUCKET_MINUTES, QUANTILE_LEVELS

RISE_RATIO: Final = 1.25
SIGMAS: Final = 3.0
SIGMA_PER_MAD: Final = 1.4826
LAG_STEPS: Final = 10 // BUCKET_MINUTES
#: Of the minutes of a step so many must be known, or it has no mean.
KNOWN_MINUTES_MIN: Final = 3
ISSUED_BEFORE_MINUTES: Final = 5
NEAR_MINUTES: Final = 10
MERGED_MINUTES: Final = 30
UPPER_INDEX: Final = QUANTILE_LEVELS.index(0.9)
_DAY_MINUTES: Final = 24 * 60

Floats = npt.NDArray[np.float64]
Minutes = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Steps:
    """Five-minute means on the grid of the origins.

    Attributes:
        ends: int64[s], number of the last minute of each step.
        means: float[s], NaN where fewer than three minutes are known.
        thresholds: float[s], what the mean must reach to surge; NaN where the step ten minutes
            before is not known.
        floors: float[s], what it must lie above besides: the step before and three sigma.
        surging: bool[s].
    """

    ends: Minutes
    means: Floats
    thresholds: Floats
    floors: Floats
    surging: Booleans


@dataclass(frozen=True, slots=True)
class SurgeScore:
    """How surges were foreseen.

    Attributes:
        surges: how many began among the targets.
        seen: of these, how many a forecast had seen; one of which none spoke was not seen.
        silent: of these, how many no forecast that was issued in time spoke of.
        false_alarms: how many forecasts, merged, saw one that did not come.
        days: of targets that could be judged and that a forecast spoke of.
    """

    surges: int
    seen: int
    silent: int
    false_alarms: int
    days: float

    @property
    def seen_ratio(self) -> float:
        """Share of the surges that were seen; NaN without surges."""
        return self.seen / self.surges if self.surges else float("nan")

    @property
    def false_alarms_per_day(self) -> float:
        """False alarms a day of targets spoken of: silence must not dilute them. NaN without."""
        return self.false_alarms / self.days if self.days else float("nan")


def robust_sigma(differences: Floats) -> float:
    """1.4826 times the median absolute deviation of what is known; 0 where nothing is."""
    known = differences[~np.isnan(differences)]
    if not len(known):
        return 0.0
    return float(SIGMA_PER_MAD * np.median(np.abs(known - np.median(known))))


def find_steps(minutes: Minutes, values: Floats, training_end_minute: int) -> Steps:
    """Five-minute means of a series, and which of them surge.

    Args:
        minutes: int64[n], consecutive.
        values: float[n]; NaN: outage.
        training_end_minute: the last minute of the training part, whose differences give sigma.
    """
    skipped = int(-(minutes[0] - 1) % BUCKET_MINUTES)
    count = (len(values) - skipped) // BUCKET_MINUTES
    parts = values[skipped : skipped + count * BUCKET_MINUTES].reshape(count, BUCKET_MINUTES)
    ends = minutes[skipped] + BUCKET_MINUTES * np.arange(1, count + 1) - 1
    known = ~np.isnan(parts)
    sums, counts = np.where(known, parts, 0.0).sum(axis=1), known.sum(axis=1)
    means = np.where(counts >= KNOWN_MINUTES_MIN, sums / np.maximum(counts, 1), np.nan)
    before = np.concatenate([np.full(LAG_STEPS, np.nan), means[:-LAG_STEPS]])[:count]
    sigma = robust_sigma((means - before)[ends <= training_end_minute])
    floors = before + SIGMAS * sigma
    thresholds = np.maximum(RISE_RATIO * before, floors)
    return Steps(ends, means, thresholds, floors, (means >= thresholds) & (means > floors))


def score_surges(
    steps: Steps, origins: Minutes, horizons_minutes: Minutes, upper: Floats
) -> SurgeScore:
    """Compare the 0.9 quantiles that were issued with the surges that came.

    Args:
        steps: of the whole series.
        origins: int64[t], minutes at which forecasts were issued; multiples of five.
        horizons_minutes: int64[h].
        upper: float[t, h], the 0.9 quantiles; NaN: silence, which sees nothing.
    """
    issued = np.broadcast_to(origins[:, None], upper.shape)
    places = (issued + horizons_minutes - steps.ends[0]) // BUCKET_MINUTES
    is_step = (places >= 0) & (places < len(steps.ends))
    places = np.where(is_step, places, 0)
    judged = is_step & ~np.isnan(steps.thresholds[places]) & ~np.isnan(steps.means[places])
    spoken = judged & ~np.isnan(upper)
    targets = np.unique(places[judged])
    crossed = spoken & (upper >= steps.thresholds[places]) & (upper > steps.floors[places])
    surges = [(first, last) for first, last in surge_runs(steps.surging) if np.isin(first, targets)]
    seen = silent = 0
    for first, last in surges:
        in_time = issued <= steps.ends[first] - ISSUED_BEFORE_MINUTES
        of_surge = in_time & (places >= first) & (places <= last)
        seen += bool((crossed & of_surge).any())
        silent += not (spoken & of_surge).any()
    return SurgeScore(
        surges=len(surges),
        seen=seen,
        silent=silent,
        false_alarms=_false_alarms(steps, np.unique(places[crossed])),
        days=len(np.unique(places[spoken])) * BUCKET_MINUTES / _DAY_MINUTES,
    )


def surge_runs(surging: Booleans) -> list[tuple[int, int]]:
    """First and last step of every surge."""
    changes = np.diff(np.concatenate([[0], surging.astype(np.int8), [0]]))
    firsts, ends = np.flatnonzero(changes == 1), np.flatnonzero(changes == -1)
    return list(zip(firsts.tolist(), (ends - 1).tolist(), strict=True))


def _false_alarms(steps: Steps, crossed: npt.NDArray[np.intp]) -> int:
    """Count the steps foreseen to surge near which none did, merged."""
    surging = np.flatnonzero(steps.surging)
    reach = NEAR_MINUTES // BUCKET_MINUTES
    near = np.searchsorted(surging, crossed + reach, "right") > np.searchsorted(
        surging, crossed - reach, "left"
    )
    times = steps.ends[crossed[~near]]
    return int(len(times) > 0) + int((np.diff(times) > MERGED_MINUTES).sum())
