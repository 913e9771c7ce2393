"""What a forecaster sees of made-up traffic, and how it learns from it step by step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forecaster.history import PAST_BUCKETS, RECENT_MINUTES, HistoryView
from forecaster.horizons import BUCKET_MINUTES
from forecaster.rivals.interface import LearningExpert, State

DAY_MINUTES = 1440
#: Monday 2024-01-01, 00:00, a multiple of a day.
START = 28_401_120
EIGHT_DAYS = PAST_BUCKETS * BUCKET_MINUTES


def view_at(values: np.ndarray, minute: int, first_minute: int = START) -> HistoryView:
    """Series (n, minutes) as known at the end of a minute; NaN: absent."""
    last = minute - minute % BUCKET_MINUTES
    known = padded(values, minute - first_minute, RECENT_MINUTES)
    past = padded(values, last - first_minute, EIGHT_DAYS)
    fives = past.reshape(len(values), PAST_BUCKETS, BUCKET_MINUTES)
    there = ~np.isnan(fives)
    with np.errstate(invalid="ignore"):
        means = np.where(there, fives, 0).sum(axis=2) / there.sum(axis=2)
    return HistoryView(minute, known.astype(np.float32), means.astype(np.float32))


def padded(values: np.ndarray, index: int, length: int) -> np.ndarray:
    """So many minutes up to an index, NaN before the first and after the last."""
    found = np.full((len(values), length), np.nan)
    last = min(index, values.shape[1] - 1)
    kept = min(last + 1, length - (index - last))
    if kept > 0:
        end = length - (index - last)
        found[:, end - kept : end] = values[:, last - kept + 1 : last + 1]
    return found


def rates(series: int, minutes: int, seed: int) -> np.ndarray:
    """Noisy daily traffic with a slow drift: requests/s, (series, minutes)."""
    random = np.random.default_rng(seed)
    at = np.arange(minutes)
    day = 1 + 0.6 * np.sin(2 * np.pi * at / DAY_MINUTES + random.uniform(0, 6, (series, 1)))
    drift = np.cumsum(random.normal(0, 0.003, (series, minutes)), axis=1)
    noise = random.normal(0, 0.03, (series, minutes))
    size = 10 ** random.uniform(-1, 4, (series, 1))
    return np.maximum(size * day * np.exp(drift + noise), 0)


def views(values: np.ndarray, first: int, last: int) -> Iterator[HistoryView]:
    """Every fifth minute's view between two indices."""
    for index in range(first, last + 1, BUCKET_MINUTES):
        yield view_at(values, START + index)


def learnt(expert: LearningExpert, values: np.ndarray, first: int, last: int) -> State:
    """State after stepping through every fifth minute."""
    state = expert.fresh(len(values))
    for view in views(values, first, last):
        state = expert.step(state, view)
    return state


def picked(state: State, chosen: np.ndarray) -> State:
    """Rows of a state."""
    return {name: array[chosen] for name, array in state.items()}
