"""A forecast as a message; what has none, and what is not to be shown, is said by its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from forecaster.contract import Floats, ForecastSet
from forecaster.forecasts import Forecasts, Scored
from forecaster.horizons import HORIZONS_SECONDS, MINUTE_SECONDS, QUANTILE_LEVELS
from telemetry.messages import HorizonForecast, TrafficForecast

MILLISECONDS = 1000
#: The most that a message may foresee (`telemetry.messages.ForecastRate`).
RATE_MAX = 1e15
_NUMBERS = np.empty(0, np.int64)
_FIGURES = np.empty((0, len(QUANTILE_LEVELS)), np.float32)
_NONE_SCORED = Scored(_NUMBERS, _NUMBERS, _FIGURES[:, 0], _FIGURES, _FIGURES, _NUMBERS)


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest forecast of one workload: a row of a set.

    Attributes:
        forecasts: the set.
        row: of this workload.
        valid_until_seconds: Unix time.
        why: what is to be said in place of the set's reason, because there is no newer forecast.
    """

    forecasts: ForecastSet
    row: int
    valid_until_seconds: float
    why: str | None = None

    def outlasting(self, why: str) -> Self:
        """One to keep while there is no newer: a copy of the row, so that it keeps no others'."""
        if len(self.forecasts.keys) == 1:
            return replace(self, why=why)
        forecasts, row = self.forecasts, self.row
        one = slice(row, row + 1)
        own = Forecasts(
            minute=forecasts.minute,
            keys=(forecasts.keys[row],),
            requests_per_second=forecasts.requests_per_second[one].copy(),
            models=forecasts.models,
            medians=forecasts.medians[one].copy(),
            weights=forecasts.weights[one].copy(),
            anomalous=forecasts.anomalous[one].copy(),
            reasons=(forecasts.reasons[row],),
            scored=_NONE_SCORED,
        )
        return replace(self, forecasts=own, row=0, why=why)

    @property
    def key(self) -> str:
        """The workload."""
        return self.forecasts.keys[self.row]

    @property
    def issued_at_seconds(self) -> float:
        """The end of the minute as of which it was made, Unix time."""
        return float(self.forecasts.minute * MINUTE_SECONDS)

    @property
    def requests_per_second(self) -> Floats:
        """By horizon and quantile, [6, 5]; NaN throughout where there is none."""
        rates: Floats = self.forecasts.requests_per_second[self.row]
        return rates

    @property
    def anomalous(self) -> bool:
        """Whether the newest samples are out of the ordinary."""
        return bool(self.forecasts.anomalous[self.row])

    @property
    def reason(self) -> str:
        """Why this forecast, or why none or no newer one."""
        return self.forecasts.reasons[self.row] if self.why is None else self.why

    def message(self, model: str) -> TrafficForecast | None:
        """The message; None where there is no forecast, or one that no message may hold."""
        return message_of(self, model)


def sound_rows(forecasts: ForecastSet) -> npt.NDArray[np.bool_]:
    """Which series have a forecast that a message may hold: finite, never negative or falling."""
    rates = forecasts.requests_per_second
    within = (rates >= 0) & (rates <= RATE_MAX)  # not so for NaN
    rises = (rates[:, :, 1:] >= rates[:, :, :-1]).all(axis=(1, 2))
    return np.asarray(within.all(axis=(1, 2)) & rises, np.bool_)


def messages_of(
    forecasts: ForecastSet, model: str, valid_until_seconds: float
) -> Iterator[TrafficForecast]:
    """What `message_of` gives for each series of a set that has a message, a third of the time.

    One after another, as they are asked for: ten thousand at once would take 60 MB.
    """
    issued_at = forecasts.minute * MINUTE_SECONDS * MILLISECONDS
    valid_until = round(valid_until_seconds * MILLISECONDS)
    anomalous = forecasts.anomalous.tolist()
    for place in np.flatnonzero(sound_rows(forecasts)).tolist():
        rates = forecasts.requests_per_second[place].tolist()
        yield TrafficForecast.model_construct(
            schema_version=1,
            key=forecasts.keys[place],
            issued_at_milliseconds=issued_at,
            model=model,
            quantiles=QUANTILE_LEVELS,
            horizons=tuple(
                HorizonForecast.model_construct(
                    horizon_seconds=seconds, requests_per_second=tuple(row)
                )
                for seconds, row in zip(HORIZONS_SECONDS, rates, strict=True)
            ),
            anomaly=anomalous[place],
            valid_until_milliseconds=valid_until,
        )


def message_of(latest: Latest, model: str) -> TrafficForecast | None:
    """What is published of one workload; None for what is no forecast (NaN, negative, falling)."""
    rates = latest.requests_per_second
    try:
        return TrafficForecast(
            key=latest.key,
            issued_at_milliseconds=round(latest.issued_at_seconds * MILLISECONDS),
            model=model,
            quantiles=QUANTILE_LEVELS,
            horizons=tuple(
                HorizonForecast(horizon_seconds=seconds, requests_per_second=tuple(row))
                for seconds, row in zip(HORIZONS_SECONDS, rates.tolist(), strict=True)
            ),
            anomaly=latest.anomalous,
            valid_until_milliseconds=round(latest.valid_until_seconds * MILLISECONDS),
        )
    except ValidationError:
        return None
