"""Scores of forecasts, as `docs/reference/forecast-scores.md` defines them.

Everywhere: `actual` float[t, h], the values at t + h; a model's `medians` float[t, h]; its
`quantiles` float[t, h, 5] at `QUANTILE_LEVELS`; NaN where there is none. Each score is made for
each horizon, over the origins where it exists, and then averaged over the horizons.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.horizons import QUANTILE_LEVELS

Floats = npt.NDArray[np.float64]

#: Places of the ends of the central intervals among the quantile levels, and what they leave out.
INTERVAL_80: Final = (QUANTILE_LEVELS.index(0.1), QUANTILE_LEVELS.index(0.9))
INTERVAL_95: Final = (QUANTILE_LEVELS.index(0.025), QUANTILE_LEVELS.index(0.975))
ALPHA_80: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How one model did on one series. NaN where it said nothing, or has no intervals.

    A ratio is infinite where the model errs and what it is divided by does not. `answered_ratio` is
    the share of the targets for which it said something: the others are in no other figure.
    """

    relative_mae_ratio: float
    mae: float
    mse: float
    wape_ratio: float
    pinball: float
    coverage_80_ratio: float
    coverage_95_ratio: float
    interval_score_ratio: float
    answered_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometricMean:
    """Relative MAE of a model over series.

    Attributes:
        relative_mae_ratio: geometric mean over the series for which there is a ratio; infinite
            where one of them is, NaN without any.
        series: how many that are.
        infinite_series: names of those whose ratio is infinite.
    """

    relative_mae_ratio: float
    series: int
    infinite_series: tuple[str, ...]


def score(
    actual: Floats,
    medians: Floats,
    quantiles: Floats,
    *,
    last_value: Floats,
    reference_interval: tuple[Floats, Floats],
) -> Scores:
    """Score a model on one series.

    Args:
        actual: float[t, h], NaN where the target is an outage.
        medians: float[t, h].
        quantiles: float[t, h, 5].
        last_value: float[t], the value at each origin.
        reference_interval: the 0.1 and 0.9 quantiles of the seasonal naive forecast, float[t, h].
    """
    naive = np.broadcast_to(last_value[:, None], actual.shape)
    interval = interval_score(actual, *_ends(quantiles, INTERVAL_80))
    return Scores(
        relative_mae_ratio=_mean(relative_mae(actual, medians, naive)),
        mae=_mean(_over_origins(np.abs(actual - medians))),
        mse=_mean(_over_origins((actual - medians) ** 2)),
        wape_ratio=_mean(wape(actual, medians)),
        pinball=_mean(scaled_pinball(actual, quantiles)),
        coverage_80_ratio=_mean(coverage(actual, *_ends(quantiles, INTERVAL_80))),
        coverage_95_ratio=_mean(coverage(actual, *_ends(quantiles, INTERVAL_95))),
        interval_score_ratio=_mean(
            _ratio_of_means(interval, interval_score(actual, *reference_interval))
        ),
        answered_ratio=answered(actual, medians),
    )


def answered(actual: Floats, medians: Floats) -> float:
    """Share of the targets, over all horizons, for which there is a median; NaN without targets."""
    targets = ~np.isnan(actual)
    count = int(targets.sum())
    return int((targets & ~np.isnan(medians)).sum()) / count if count else math.nan


def relative_mae(actual: Floats, medians: Floats, naive: Floats) -> Floats:
    """Mean absolute error divided by that of the last value at the same origins, float[h].

    Infinite where the last value never erred and the model did.
    """
    return _ratio_of_means(np.abs(actual - medians), np.abs(actual - naive))


def wape(actual: Floats, medians: Floats) -> Floats:
    """Sum of absolute errors divided by the sum of what was, float[h]."""
    return _ratio_of_means(np.abs(actual - medians), actual)


def scaled_pinball(actual: Floats, quantiles: Floats) -> Floats:
    """Pinball loss, mean over the five levels, divided by the mean of what was, float[h].

    Koenker and Bassett (1978), "Regression quantiles".
    """
    levels = np.array(QUANTILE_LEVELS)
    above = actual[..., None] - quantiles
    loss = np.maximum(levels * above, (levels - 1.0) * above).mean(axis=-1)
    return _ratio_of_means(loss, actual)


def coverage(actual: Floats, low: Floats, high: Floats) -> Floats:
    """Share of the origins at which the interval, its ends included, held the value, float[h]."""
    known = ~np.isnan(actual) & ~np.isnan(low) & ~np.isnan(high)
    inside = known & (low <= actual) & (actual <= high)
    with np.errstate(invalid="ignore"):
        return np.asarray(inside.sum(axis=0) / known.sum(axis=0), dtype=np.float64)


def interval_score(actual: Floats, low: Floats, high: Floats, alpha: float = ALPHA_80) -> Floats:
    """Width of the interval plus 2 / alpha times how far the value lies outside, float[t, h].

    Gneiting and Raftery (2007), "Strictly proper scoring rules", equation 43.
    """
    below, above = np.maximum(low - actual, 0.0), np.maximum(actual - high, 0.0)
    return (high - low) + 2.0 / alpha * (below + above)


def geometric_mean(values: Iterable[float]) -> float:
    """Geometric mean of what is known; NaN where nothing is, infinite where one value is.

    Infinity outweighs even a zero beside it: a mean must not hide that a model failed.
    """
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return math.nan
    if math.inf in known:
        return math.inf
    if min(known) <= 0:
        return 0.0
    return math.exp(sum(map(math.log, known)) / len(known))


def geometric_means(series: Mapping[str, Mapping[str, Scores]]) -> dict[str, GeometricMean]:
    """Relative MAE of each model over the series on which it said something."""
    models = dict.fromkeys(model for scores in series.values() for model in scores)
    return {model: _geometric_mean_of(model, series) for model in models}


def _geometric_mean_of(model: str, series: Mapping[str, Mapping[str, Scores]]) -> GeometricMean:
    ratios = {
        name: scores[model].relative_mae_ratio for name, scores in series.items() if model in scores
    }
    return GeometricMean(
        relative_mae_ratio=geometric_mean(ratios.values()),
        series=sum(not math.isnan(ratio) for ratio in ratios.values()),
        infinite_series=tuple(name for name, ratio in ratios.items() if math.isinf(ratio)),
    )


def _ends(quantiles: Floats, interval: tuple[int, int]) -> tuple[Floats, Floats]:
    low, high = interval
    return quantiles[..., low], quantiles[..., high]


def _ratio_of_means(above: Floats, below: Floats) -> Floats:
    """Ratio of two means over the origins at which both exist, float[h].

    0 / 0 is no ratio (NaN). Anything else / 0 is infinite: left out, it would be forgiven.
    """
    known = ~np.isnan(above) & ~np.isnan(below)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(known, above, 0.0).sum(axis=0) / np.where(known, below, 0.0).sum(axis=0)
    return np.asarray(ratio, dtype=np.float64)


def _over_origins(values: Floats) -> Floats:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0))


def _mean(by_horizon: Floats) -> float:
    """Mean over the horizons for which there is a score."""
    known = by_horizon[~np.isnan(by_horizon)]
    return float(known.mean()) if len(known) else math.nan
