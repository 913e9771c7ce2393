"""Errors by the hour for the ledger, of who opted in: what was served, and two rivals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.contract import ForecastSet
from forecaster.horizons import HORIZONS_SECONDS, MINUTE_SECONDS
from forecaster.own_errors import (
    ABSOLUTE,
    ACTUAL,
    COUNT,
    IN_80,
    IN_95,
    LAST_VALUE,
    LSTM,
    PINBALL,
    SERVED,
    scored_sums,
)
from ledger.forecast_error import ForecastError

HOUR_MINUTES: Final = 60
#: Beside what was served, as its yardsticks.
RIVALS: Final = (LSTM, LAST_VALUE)
_Table = npt.NDArray[np.float64]


class HourlyErrors:
    """Sums of the hour that is running, by workload, model and horizon. For one thread.

    `keys_max` bounds what an hour writes: 18 records a workload; whom it leaves out is counted.
    """

    def __init__(self, keys_max: int) -> None:
        self._keys_max = keys_max
        self._hour = -1
        self._since_minute = -1
        self._tables: dict[str, _Table] = {}
        self.left_out_total = 0

    def add(
        self, forecasts: ForecastSet, opted_in: Callable[[str], bool]
    ) -> tuple[ForecastError, ...]:
        """Count what fell due; give back the records of an hour that is over by then."""
        hour = forecasts.minute // HOUR_MINUTES
        done: tuple[ForecastError, ...] = ()
        if hour != self._hour:
            done = self.close(hour * HOUR_MINUTES)
            self._hour, self._since_minute = hour, forecasts.minute
        scored = forecasts.scored
        if not len(scored.actual):
            return done
        sums = scored_sums(forecasts)
        for place in np.unique(scored.key_indices).tolist():
            if (key := forecasts.keys[place]) and opted_in(key) and self._has_room(key):
                rows = np.flatnonzero(scored.key_indices == place)
                self._count(key, forecasts, rows, sums[rows])
        return done

    def close(self, end_minute: int) -> tuple[ForecastError, ...]:
        """The records of what was counted since the last ones, and begin anew."""
        records = tuple(self._records(end_minute))
        self._tables = {}
        self._since_minute = end_minute
        return records

    def _has_room(self, key: str) -> bool:
        if key in self._tables or len(self._tables) < self._keys_max:
            return True
        self.left_out_total += 1
        return False

    def _count(
        self, key: str, forecasts: ForecastSet, rows: npt.NDArray[np.intp], sums: _Table
    ) -> None:
        table = self._tables.get(key)
        if table is None:
            width = sums.shape[1]
            table = np.zeros((1 + len(RIVALS), len(HORIZONS_SECONDS), width))
            self._tables[key] = table
        scored = forecasts.scored
        horizons = scored.horizon_indices[rows]
        np.add.at(table[0], horizons, sums)
        for place, model in enumerate(RIVALS, start=1):
            if model not in forecasts.models:
                continue
            said = scored.medians[rows, forecasts.models.index(model)]
            absolute = np.abs(said - scored.actual[rows])
            told = np.isfinite(absolute)
            for column, values in (
                (COUNT, told),
                (ACTUAL, scored.actual[rows]),
                (ABSOLUTE, absolute),
            ):
                np.add.at(table[place, :, column], horizons[told], values[told])

    def _records(self, end_minute: int) -> Iterator[ForecastError]:
        for key, table in self._tables.items():
            for place, model in enumerate((SERVED, *RIVALS)):
                for horizon, seconds in enumerate(HORIZONS_SECONDS):
                    sums = table[place, horizon]
                    if sums[COUNT]:
                        yield self._record(key, model, seconds, sums, end_minute)

    def _record(
        self, key: str, model: str, seconds: int, sums: _Table, end_minute: int
    ) -> ForecastError:
        count = float(sums[COUNT])
        is_served = model == SERVED
        return ForecastError(
            forecast_key=key,
            model=model,
            horizon_seconds=seconds,
            window_start_seconds=float(self._since_minute * MINUTE_SECONDS),
            window_end_seconds=float(max(end_minute, self._since_minute) * MINUTE_SECONDS),
            sample_count=round(count),
            mae_requests_per_second=float(sums[ABSOLUTE]) / count,
            wape_ratio=float(sums[ABSOLUTE] / sums[ACTUAL]) if sums[ACTUAL] > 0 else None,
            pinball_requests_per_second=float(sums[PINBALL]) / count if is_served else None,
            coverage_80_ratio=float(sums[IN_80]) / count if is_served else None,
            coverage_95_ratio=float(sums[IN_95]) / count if is_served else None,
        )
