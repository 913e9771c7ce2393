"""Which windows are learnt from: origins of real series, synthetic series, and young series.

A share of the windows shows only as much history as a series has that began lately, so that the
network is of use half an hour after a service's first sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.horizons import BUCKET_MINUTES
from forecaster.training.dataset import Examples, examples_at, joined
from forecaster.training.series import HISTORY_MINUTES_MIN, TrainingSeries
from forecaster.training.synthetic import SERIES_DAYS, synthetic_series

#: The service keeps no more; an age beyond it hides nothing.
_AGE_MINUTES_MAX: Final = 8 * 1440
_WHOLE: Final = 2**31


@dataclass(frozen=True, slots=True)
class DrawSettings:
    """How many windows.

    Attributes:
        origins_max: of the real series together; each may have twice its share.
        synthetic_series: how many are made up.
        synthetic_origins: windows of each.
        synthetic_days: how long each is.
        young_ratio: share of the windows whose history is cut, to 30 minutes up to 8 days.
    """

    origins_max: int = 36_000
    synthetic_series: int = 160
    synthetic_origins: int = 600
    synthetic_days: int = SERIES_DAYS
    young_ratio: float = 0.3


def real_examples(
    series: Sequence[TrainingSeries],
    first_ratio: float,
    last_ratio: float,
    settings: DrawSettings,
    rng: np.random.Generator,
) -> list[Examples]:
    """Cut windows of a part of each series; series without an origin there are left out."""
    found = []
    most = max(1, 2 * settings.origins_max // max(1, len(series)))
    for each in series:
        places = each.part(first_ratio, last_ratio)
        learnt = each.until(last_ratio)
        if len(places) > most:
            places = np.sort(rng.choice(places, most, replace=False))
        if len(places):
            ages = _ages(rng, len(places), settings.young_ratio)
            found.append(examples_at(learnt, places, ages_minutes=ages, clipped=True))
    return found


def synthetic_examples(
    settings: DrawSettings,
    rng: np.random.Generator,
    advance: Callable[[], None] = lambda: None,
) -> Examples | None:
    """Make series up and cut windows of them; None where none are wanted."""
    parts = []
    for number in range(settings.synthetic_series):
        values = synthetic_series(rng, settings.synthetic_days)
        first_minute = int(rng.integers(10**6))
        series = TrainingSeries(f"synthetic-{number}", first_minute, values, values)
        choice = series.part(0, 1)
        count = min(settings.synthetic_origins, len(choice))
        places = np.sort(rng.choice(choice, count, replace=False))
        ages = _ages(rng, count, settings.young_ratio)
        parts.append(examples_at(series, places, ages_minutes=ages))
        advance()
    return joined(parts) if parts else None


def held_back(
    series: Sequence[TrainingSeries], first_ratio: float, last_ratio: float
) -> dict[str, Examples]:
    """Cut every fifth minute of a part of each series, with all the history there is."""
    found = {}
    for each in series:
        places = each.part(first_ratio, last_ratio)
        places = places[(places + each.first_minute) % BUCKET_MINUTES == 0]
        if len(places):
            found[each.name] = examples_at(each, places)
    return found


def _ages(rng: np.random.Generator, count: int, young_ratio: float) -> npt.NDArray[np.int64]:
    """Ages in minutes: mostly more than any window shows, else log-uniform."""
    low, high = np.log(HISTORY_MINUTES_MIN), np.log(_AGE_MINUTES_MAX)
    young = np.exp(rng.uniform(low, high, count))
    return np.where(rng.random(count) < young_ratio, young, _WHOLE).astype(np.int64)
