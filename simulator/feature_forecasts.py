"""The paper's test: forecasts of traffic, response time, CPU and memory; MSE and MAE. Simulated.

Each feature is a series of its own for the serving code, with the weights that are served: they
were trained on rates of requests, never on response times, CPU or memory. Chronological: of each
series the first 70 % are history, during the next 15 % (validation) forecasts are made and the
mixture learns whom to believe, and the last 15 % (test) are what the figures are of; nothing later
than its origin is known to any forecast. Targets are the 1-minute values 5, 10, …, 30 minutes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES, MEDIAN_INDEX
from simulator.traffic import HISTORY_DAYS, MINUTES_PER_DAY, FloatArray, IntArray

TRAINING_PERCENT, VALIDATION_PERCENT, TEST_PERCENT = 70, 15, 15
SERVED = "mixture"


class Forecasts(Protocol):
    """What is read of forecasts of n series by M models."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the series."""

    @property
    def requests_per_second(self) -> npt.NDArray[np.floating[Any]]:
        """float[n, 6, 5], quantiles of the served forecast."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""

    @property
    def medians(self) -> npt.NDArray[np.floating[Any]]:
        """float[n, M, 6]."""


class Forecaster(Protocol):
    """What is needed of an engine of the forecaster; any series that is never negative will do."""

    def put(self, key: str, minutes: IntArray, requests_per_second: FloatArray, /) -> object:
        """Take minutes of a series."""

    def forecast(self, minute: int, /) -> Forecasts:
        """Forecast every series as of the end of a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureScore:
    """How one model forecast one feature in the test part, means over the six horizons.

    Attributes:
        series: the trace.
        feature: with its unit as its last word.
        mse: mean squared error, in the feature's unit squared.
        mae: mean absolute error, in the feature's unit.
        scaled_mse: the same of the series scaled to 0…1 by its training part, as the paper does.
        scaled_mae: the same.
        relative_mae_ratio: MAE divided by that of the last value over the same forecasts, horizon
            by horizon.
        forecasts: how many were judged at each horizon.
    """

    series: str
    feature: str
    model: str
    mse: float
    mae: float
    scaled_mse: float
    scaled_mae: float
    relative_mae_ratio: float
    forecasts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Where validation and test begin, indices of minutes; `end` is behind the last one."""

    validation: int
    test: int
    end: int

    @classmethod
    def of(cls, minutes: int) -> Parts:
        """Part a series of so many minutes."""
        validation = minutes * TRAINING_PERCENT // 100
        test = minutes * (TRAINING_PERCENT + VALIDATION_PERCENT) // 100
        return cls(validation=validation, test=test, end=minutes)


def origins_of(parts: Parts, first_minute: int) -> IntArray:
    """Indices of the origins in validation and test: every fifth minute on the absolute grid."""
    last = parts.end - max(HORIZONS_MINUTES)
    places = np.arange(parts.validation, last, dtype=np.int64)
    on_grid: IntArray = places[(first_minute + places) % BUCKET_MINUTES == 0]
    return on_grid


def score_features(
    series: str,
    features: Mapping[str, FloatArray],
    first_minute: int,
    forecaster: Forecaster,
    advance: Callable[[int], object] = lambda _: None,
) -> tuple[FeatureScore, ...]:
    """Put the features of one trace through a forecaster that knows nothing of them yet.

    Args:
        series: the trace's name.
        features: float[minutes] each, of equal length.
        first_minute: the Unix minute of their first values.
        forecaster: an engine without series.
        advance: told of origins that are done, for a progress bar.
    """
    parts = Parts.of(len(next(iter(features.values()))))
    places = origins_of(parts, first_minute)
    # No model looks further back than the forecaster's own past.
    begin = max(0, int(places[0]) - HISTORY_DAYS * MINUTES_PER_DAY)
    said: dict[str, list[FloatArray]] = {name: [] for name in features}
    models: tuple[str, ...] = ()
    for place in places.tolist():
        minutes = np.arange(begin, place + 1, dtype=np.int64)
        for name, values in features.items():
            forecaster.put(name, first_minute + minutes, values[minutes])
        begin = place + 1
        forecasts = forecaster.forecast(first_minute + place)
        models = (SERVED, *forecasts.models)
        for row, name in enumerate(forecasts.keys):
            served = forecasts.requests_per_second[row, :, MEDIAN_INDEX]
            both = np.vstack([served[None, :], forecasts.medians[row]])
            said[name].append(np.asarray(both, dtype=np.float64))
        advance(1)
    judged = places[places >= parts.test]
    return tuple(
        score
        for name, values in features.items()
        for score in _scores(
            (series, name), values, judged, np.stack(said[name][-len(judged) :]), models
        )
    )


def _scores(
    named: tuple[str, str],
    values: FloatArray,
    places: IntArray,
    medians: FloatArray,
    models: Sequence[str],
) -> list[FeatureScore]:
    """Judge medians float[t, M, 6] of models at origins `places`, int64[t]."""
    actual = values[places[:, None] + np.array(HORIZONS_MINUTES)]
    training = values[: Parts.of(len(values)).validation]
    span = float(training.max() - training.min()) or 1.0
    last = np.abs(actual - values[places][:, None])
    found = []
    for number, model in enumerate(models):
        errors = actual - medians[:, number]
        known = ~np.isnan(errors).any(axis=1)
        if not known.any():
            continue
        mae, mse = np.abs(errors[known]).mean(axis=0), (errors[known] ** 2).mean(axis=0)
        found.append(
            FeatureScore(
                series=named[0],
                feature=named[1],
                model=model,
                mse=float(mse.mean()),
                mae=float(mae.mean()),
                scaled_mse=float(mse.mean()) / span**2,
                scaled_mae=float(mae.mean()) / span,
                relative_mae_ratio=float((mae / last[known].mean(axis=0)).mean()),
                forecasts=int(known.sum()),
            )
        )
    return found
