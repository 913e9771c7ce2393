"""A replay judged: scores of every model on one series, its surges, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.errors import InputError
from forecaster.evaluation import residuals
from forecaster.evaluation.drawn_day import DrawnDay, choose_day
from forecaster.evaluation.replay import Replay
from forecaster.evaluation.scores import (
    INTERVAL_80,
    INTERVAL_95,
    Scores,
    relative_mae,
    score,
)
from forecaster.evaluation.surges import UPPER_INDEX, SurgeScore, find_steps, score_surges
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES, MEDIAN_INDEX

SERVED: Final = "mixture"
LAST_VALUE: Final = "last-value"
SEASONAL_NAIVE: Final = "seasonal-naive"

#: Eight steps of a 32-bit float.
_ROUNDING_RATIO: Final = 1e-6

Floats = npt.NDArray[np.float64]
Minutes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one model said at the judged origins.

    Attributes:
        medians: float[t, h].
        quantiles: float[t, h, 5].
    """

    medians: Floats
    quantiles: Floats


@dataclass(frozen=True, slots=True)
class Judgement:
    """One series judged.

    Attributes:
        name: of the series.
        step_minutes: of its file.
        horizons_minutes: what was asked for.
        scores: by model, the served one first.
        relative_mae_by_horizon: by model, float[h].
        surges: of the served forecast.
        origins: how many were judged.
        targets: how many values they were compared with.
        outage_minutes: of the last 30 %.
        inside: of the served forecast, targets inside its 80 % and its 95 % interval, and targets
            that had one.
        day: what a page draws.
        notes: what had to be done to the rows of its file.
    """

    name: str
    step_minutes: int
    horizons_minutes: tuple[int, ...]
    scores: Mapping[str, Scores]
    relative_mae_by_horizon: Mapping[str, Floats]
    surges: SurgeScore
    origins: int
    targets: int
    outage_minutes: int
    inside: tuple[int, int, int]
    day: DrawnDay
    notes: tuple[str, ...]


def judge(
    replayed: Replay, horizons_minutes: Sequence[int], models: Sequence[str] = ()
) -> Judgement:
    """Score every model of a replay.

    Args:
        replayed: by `replay`.
        horizons_minutes: of those that are forecast.
        models: which to score beside the served one; none means every member.

    Raises:
        InputError: there is nothing to judge, or a model is not known.
    """
    horizons = np.array(horizons_minutes, dtype=np.int64)
    columns = [HORIZONS_MINUTES.index(each) for each in horizons_minutes]
    judged = replayed.is_judged
    known, places = replayed.known, replayed.places
    actual = _at(known, places[:, None] + horizons)
    if np.isnan(actual[judged]).all():
        raise InputError(
            "the last 30 % hold no value to judge by", where=replayed.trace.name,
            mend="give a longer trace",
        )  # fmt: skip
    spoken = _spoken(replayed, actual, horizons, columns, models)
    reference = residuals.reference_interval(
        known, places[judged], horizons, replayed.newest[judged]
    )
    now = known[replayed.newest[judged]]
    upper = replayed.quantiles[judged][:, columns, UPPER_INDEX]
    steps = find_steps(
        replayed.trace.minutes, known, replayed.trace.first_minute + replayed.test_from - 1
    )
    served = spoken[SERVED].quantiles[judged]
    return Judgement(
        name=replayed.trace.name,
        step_minutes=replayed.trace.step_minutes,
        horizons_minutes=tuple(horizons_minutes),
        scores={
            name: score(
                actual[judged], said.medians[judged], said.quantiles[judged],
                last_value=now, reference_interval=reference,
            )
            for name, said in spoken.items()
        },
        relative_mae_by_horizon={
            name: relative_mae(
                actual[judged],
                said.medians[judged],
                np.broadcast_to(now[:, None], actual[judged].shape),
            )
            for name, said in spoken.items()
        },
        surges=score_surges(
            steps, replayed.trace.first_minute + places[judged], horizons, upper
        ),
        origins=int(judged.sum()),
        targets=int((~np.isnan(actual[judged])).sum()),
        outage_minutes=int(replayed.outages.marked[replayed.test_from :].sum()),
        inside=_inside(actual[judged], served),
        day=choose_day(replayed, steps),
        notes=replayed.trace.notes,
    )  # fmt: skip


def _spoken(
    replayed: Replay,
    actual: Floats,
    horizons: Minutes,
    columns: Sequence[int],
    wanted: Sequence[str],
) -> dict[str, Spoken]:
    """What each model said, the served one first, then the last value and yesterday."""
    known, places = replayed.known, replayed.places
    points = {
        LAST_VALUE: np.repeat(known[replayed.newest][:, None], len(columns), axis=1),
        SEASONAL_NAIVE: residuals.yesterday(known, places[:, None] + horizons),
    }
    for place, name in enumerate(replayed.models):
        points.setdefault(name, _exact(replayed.medians[:, place, columns], actual))
    unknown = [name for name in wanted if name not in points and name != SERVED]
    if unknown:
        raise InputError(
            f"there is no model {unknown[0]!r}", where="--models",
            mend=f"known: {', '.join([SERVED, *points])}",
        )  # fmt: skip
    quantiles = replayed.quantiles[:, columns]
    # A step of two to four minutes may end after the origin in which its target comes.
    delay = int(BUCKET_MINUTES % replayed.trace.step_minutes > 0)
    spoken = {SERVED: Spoken(_exact(quantiles[..., MEDIAN_INDEX], actual), quantiles)}
    for name, medians in points.items():
        if not wanted or name in wanted or name == LAST_VALUE:
            made = residuals.member_quantiles(actual, medians, horizons, delay)
            spoken[name] = Spoken(medians, made)
    return spoken


def _exact(medians: Floats, actual: Floats) -> Floats:
    """Forecasts, those that are off by rounding alone without it.

    Models compute with 32 bits. Where nothing moves, the last value is never off, and any error
    beside it would count as infinitely worse.
    """
    rounded = np.abs(medians - actual) <= _ROUNDING_RATIO * np.abs(actual)
    return np.where(rounded, actual, medians)


def _inside(actual: Floats, quantiles: Floats) -> tuple[int, int, int]:
    """Targets inside the 80 % and the 95 % interval, and targets that had one."""
    known = ~np.isnan(actual) & ~np.isnan(quantiles).any(axis=-1)
    inside = [
        int((known & (quantiles[..., low] <= actual) & (actual <= quantiles[..., high])).sum())
        for low, high in (INTERVAL_80, INTERVAL_95)
    ]
    return inside[0], inside[1], int(known.sum())


def _at(known: Floats, places: Minutes) -> Floats:
    """Values at indices; NaN beyond the end."""
    there = places < len(known)
    return np.where(there, known[np.where(there, places, 0)], np.nan)
