"""Intervals of point forecasts: the empirical quantiles of their own errors of the last seven days.

So have models without intervals some to be judged by, and the seasonal naive forecast those against
which all are measured.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.horizons import BUCKET_MINUTES, MEDIAN_INDEX, QUANTILE_LEVELS

DAY_MINUTES: Final = 24 * 60
RESIDUAL_MINUTES: Final = 7 * DAY_MINUTES
#: How often the quantiles of members are made anew; the reference's are at every origin.
MEMBER_RENEWAL_ORIGINS: Final = 12

Floats = npt.NDArray[np.float64]
Minutes = npt.NDArray[np.int64]


def reference_interval(
    known: Floats, places: Minutes, horizons_minutes: Minutes, newest: Minutes
) -> tuple[Floats, Floats]:
    """The 0.1 and 0.9 quantiles of the seasonal naive forecast (the same minute of yesterday).

    Args:
        known: float[n], the series; NaN: outage.
        places: int64[t], indices of the origins.
        horizons_minutes: int64[h].
        newest: int64[t], the newest index known at each origin.

    Returns:
        float[t, h] each: yesterday's value plus the 0.1 and 0.9 quantiles of the errors of such
        forecasts, one every five minutes, whose targets lie in the seven days that end at the
        origin. Never negative, as traffic and every other interval that is judged.
    """
    forecasts = yesterday(known, places[:, None] + horizons_minutes)
    errors = known - yesterday(known, np.arange(len(known)))
    ends = np.full((len(places), 2), np.nan)
    for row, place in enumerate(newest.tolist()):
        first = max(place % BUCKET_MINUTES, place - RESIDUAL_MINUTES + BUCKET_MINUTES)
        ends[row] = _quantiles(errors[first : place + 1 : BUCKET_MINUTES], (0.1, 0.9))
    return np.maximum(forecasts + ends[:, :1], 0.0), np.maximum(forecasts + ends[:, 1:], 0.0)


def yesterday(known: Floats, places: Minutes) -> Floats:
    """Values of the same minutes a day before; NaN where there are none."""
    earlier = places - DAY_MINUTES
    there = (earlier >= 0) & (earlier < len(known))
    return np.where(there, known[np.where(there, earlier, 0)], np.nan)


def member_quantiles(
    actual: Floats, medians: Floats, horizons_minutes: Minutes, delay_origins: int = 0
) -> Floats:
    """Quantiles of a model that gives none: its forecast plus those of its own errors.

    Args:
        actual: float[t, h], at origins five minutes apart; NaN: outage or not yet.
        medians: float[t, h].
        horizons_minutes: int64[h].
        delay_origins: how many origins later a target is known than it comes.

    Returns:
        float[t, h, 5], never negative and in order, the middle one being the forecast. Only errors
        are used whose targets had come at the origin, and within the seven days before.
    """
    errors = actual - medians
    window = RESIDUAL_MINUTES // BUCKET_MINUTES
    levels = [level for place, level in enumerate(QUANTILE_LEVELS) if place != MEDIAN_INDEX]
    offsets = np.full((*errors.shape, len(QUANTILE_LEVELS)), np.nan)
    for column, horizon in enumerate(horizons_minutes.tolist()):
        lag = horizon // BUCKET_MINUTES + delay_origins
        for row in range(0, len(errors), MEMBER_RENEWAL_ORIGINS):
            last = row - lag + 1
            found = _quantiles(errors[max(0, last - window) : max(0, last), column], levels)
            block = offsets[row : row + MEMBER_RENEWAL_ORIGINS, column]
            block[:] = np.insert(found, MEDIAN_INDEX, 0.0)
    ordered = np.sort(np.maximum(medians[..., None] + offsets, 0.0), axis=-1)
    return np.where(np.isnan(offsets).any(axis=-1, keepdims=True), np.nan, ordered)


def _quantiles(errors: Floats, levels: tuple[float, ...] | list[float]) -> Floats:
    known = errors[~np.isnan(errors)]
    if not len(known):
        return np.full(len(levels), np.nan)
    return np.asarray(np.quantile(known, levels), dtype=np.float64)
