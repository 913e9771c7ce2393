"""How far the forecasts of late were off: sums that halve in a day, of every model and workload.

Everything is vectorised over the forecasts that fell due in one minute. A ratio is None where
nothing was scored yet. Losses are those of `forecaster.horizons.QUANTILE_LEVELS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.contract import Arrays, Floats, ForecastSet
from forecaster.horizons import MEDIAN_INDEX, QUANTILE_LEVELS

#: In which a past error counts half: a day, so that the same hour of yesterday has a say.
HALF_LIFE_MINUTES: Final = 1440.0
SERVED: Final = "mixture"
LAST_VALUE: Final = "last-value"
LSTM: Final = "lstm"
#: The columns of a workload's sums.
COUNT, ACTUAL, ABSOLUTE, LAST_ABSOLUTE, PINBALL, IN_80, IN_95 = range(7)
#: Of the LSTM and of the last value, over the forecasts of which both spoke.
LSTM_SHARED, LAST_SHARED = 7, 8
_WIDTH: Final = 9
#: On fewer (decayed) forecasts the error of one workload is told by none.
WORKLOAD_COUNT_MIN: Final = 100.0
#: A ratio further from 1 than this says no more than that it is far: it is one workload.
RATIO_MAX: Final = 10.0
_LEVELS: Final = np.array(QUANTILE_LEVELS)
_Sums = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnError:
    """Errors of a model, or of what was served.

    `scored_count` is the decayed number of forecasts; `relative_mae_ratio` the MAE through that of
    the last value, over the same forecasts; only what was served has quantiles.
    """

    scored_count: float
    mae_requests_per_second: float | None = None
    wape_ratio: float | None = None
    relative_mae_ratio: float | None = None
    pinball_requests_per_second: float | None = None
    coverage_80_ratio: float | None = None
    coverage_95_ratio: float | None = None


class OwnErrors:
    """Decayed sums of each workload, and pooled of each model. For one thread."""

    def __init__(self, half_life_minutes: float = HALF_LIFE_MINUTES) -> None:
        self._half_life_minutes = half_life_minutes
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._sums: _Sums = np.zeros((0, _WIDTH))
        self._minutes = np.zeros(0, np.int64)
        #: By model: count, actual and absolute error; both absolute errors where both spoke.
        self._pooled: dict[str, _Sums] = {}
        self._served: _Sums = np.zeros(_WIDTH)
        self._minute = 0

    def add(self, forecasts: ForecastSet) -> None:
        """Count what fell due."""
        scored = forecasts.scored
        if not len(scored.actual):
            return
        sums = scored_sums(forecasts)
        rows = self._rows_of(forecasts.keys, forecasts.minute)
        np.add.at(self._sums, rows[scored.key_indices], sums)
        self._decay_pooled(forecasts.minute)
        self._served += sums.sum(axis=0)
        last = sums[:, LAST_ABSOLUTE]
        for place, model in enumerate(forecasts.models):
            absolute = np.abs(scored.medians[:, place] - scored.actual)
            both = np.isfinite(absolute) & np.isfinite(last)
            told = np.isfinite(absolute)
            added = np.array(
                [
                    told.sum(),
                    scored.actual[told].sum(),
                    absolute[told].sum(),
                    absolute[both].sum(),
                    last[both].sum(),
                ]
            )
            self._pooled[model] = self._pooled.get(model, np.zeros(5)) + added

    def pooled(self) -> dict[str, OwnError]:
        """The errors of what was served and of each model, over all workloads."""
        found = {SERVED: _served_error(self._served)}
        # A copy: this is asked from other threads, and models come with their first score.
        for model, (count, actual, absolute, shared, last) in self._pooled.copy().items():
            found[model] = OwnError(
                scored_count=float(count),
                mae_requests_per_second=_ratio(absolute, count),
                wape_ratio=_ratio(absolute, actual),
                relative_mae_ratio=_ratio(shared, last),
            )
        return found

    def typical_lstm_ratio(self) -> float | None:
        """The geometric mean over workloads of the LSTM's relative MAE; None on too few forecasts.

        As at its training, where it is that over traces: a large workload counts as much as a
        small one. Each ratio is clipped to 1/10…10.
        """
        rows = np.array(list(self._rows.values()), np.intp)
        sums = self._sums[rows]
        lstm, last = sums[:, LSTM_SHARED], sums[:, LAST_SHARED]
        told = (sums[:, COUNT] >= WORKLOAD_COUNT_MIN) & (last > 0)
        if not told.any():
            return None
        ratios = np.clip(lstm[told] / last[told], 1 / RATIO_MAX, RATIO_MAX)
        return float(np.exp(np.log(ratios).mean()))

    def of(self, key: str) -> OwnError | None:
        """The errors of what was served of a workload; None where none were scored."""
        row = self._rows.get(key)
        if row is None or not self._sums[row, COUNT]:
            return None
        return _served_error(self._sums[row])

    def drop(self, keys: Iterable[str]) -> None:
        """Forget workloads, and what they gave to the pooled sums of what was served.

        What they gave to those of each model fades: it is not kept by workload.
        """
        rows = [row for key in keys if (row := self._rows.pop(key, None)) is not None]
        if not rows:
            return
        # Of what was added and taken away again some rounding is left, maybe below zero.
        self._served = np.maximum(self._served - self._faded(rows), 0.0)
        self._sums[rows] = 0.0
        self._free.extend(rows)
        if not self._rows:
            self._served = np.zeros(_WIDTH)

    def export(self, keys: Iterable[str]) -> Arrays:
        """What a restart needs of workloads."""
        known = [key for key in keys if key in self._rows]
        rows = np.array([self._rows[key] for key in known], np.intp)
        return {
            "keys": np.array(known, np.str_),
            "sums": self._sums[rows],
            "minutes": self._minutes[rows],
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `export` gave; their sums go into the pooled ones of what was served, too."""
        keys = [str(key) for key in state["keys"]]
        if not keys:
            return
        sums, minutes = state["sums"], state["minutes"]
        self.drop(keys)
        rows = self._rows_of(keys, None)
        # Versions before this kept no errors of the LSTM by workload.
        self._sums[rows, : sums.shape[1]], self._minutes[rows] = sums, minutes
        self._decay_pooled(int(minutes.max()))
        self._served += self._faded(rows)

    def _faded(self, rows: npt.NDArray[np.intp] | list[int]) -> _Sums:
        """What rows count for in the pooled sums, as of the newest minute."""
        passed = np.maximum(self._minute - self._minutes[rows], 0)
        faded = self._sums[rows] * 0.5 ** (passed[:, None] / self._half_life_minutes)
        total: _Sums = faded.sum(axis=0)
        return total

    def _rows_of(self, keys: Sequence[str], minute: int | None) -> npt.NDArray[np.intp]:
        """The rows of keys, new ones where there are none, decayed to a minute."""
        missing = [key for key in keys if key not in self._rows]
        lack = len(missing) - len(self._free)
        if lack > 0:
            size = len(self._sums)
            more = max(lack, size // 2)
            self._sums = np.concatenate([self._sums, np.zeros((more, _WIDTH))])
            self._minutes = np.concatenate([self._minutes, np.zeros(more, np.int64)])
            self._free.extend(range(size, size + more))
        for key in missing:
            self._rows[key] = self._free.pop()
        rows = np.array([self._rows[key] for key in keys], np.intp)
        if minute is not None:
            passed = np.maximum(minute - self._minutes[rows], 0)
            self._sums[rows] *= 0.5 ** (passed[:, None] / self._half_life_minutes)
            self._minutes[rows] = np.maximum(self._minutes[rows], minute)
        return rows

    def _decay_pooled(self, minute: int) -> None:
        passed = max(0, minute - self._minute) if self._minute else 0
        self._minute = max(self._minute, minute)
        factor = 0.5 ** (passed / self._half_life_minutes)
        self._served *= factor
        self._pooled = {model: sums * factor for model, sums in self._pooled.items()}


def scored_sums(forecasts: ForecastSet) -> _Sums:
    """What each scored forecast adds to its workload's sums, [k, 9].

    A row is 0 throughout where nothing had been served.
    """
    scored = forecasts.scored
    actual, quantiles = scored.actual.astype(np.float64), scored.quantiles.astype(np.float64)
    absolute = np.abs(quantiles[:, MEDIAN_INDEX] - actual)
    last, lstm = (_missed(forecasts, model) for model in (LAST_VALUE, LSTM))
    both = np.isfinite(last) & np.isfinite(lstm)
    columns = (
        np.ones(len(actual)),
        actual,
        absolute,
        np.nan_to_num(last),
        pinball_losses(actual, quantiles),
        _within(actual, quantiles, 1, 3),
        _within(actual, quantiles, 0, 4),
        np.where(both, lstm, 0.0),
        np.where(both, last, 0.0),
    )
    sums = np.stack(columns, axis=1)
    sums[~np.isfinite(sums).all(axis=1)] = 0.0
    return sums


def _missed(forecasts: ForecastSet, model: str) -> _Sums:
    """By how much a model's median was off, requests/s [k]; NaN where it said nothing."""
    scored = forecasts.scored
    if model not in forecasts.models:
        return np.full(len(scored.actual), np.nan)
    said = scored.medians[:, forecasts.models.index(model)].astype(np.float64)
    return np.abs(said - scored.actual)


def pinball_losses(actual: Floats, quantiles: Floats) -> Floats:
    """The mean pinball loss over the quantiles, requests/s (Koenker & Bassett 1978)."""
    short = actual[:, None] - quantiles
    losses: Floats = np.maximum(_LEVELS * short, (_LEVELS - 1) * short).mean(axis=1)
    return losses


def _within(actual: Floats, quantiles: Floats, low: int, high: int) -> Floats:
    inside = (quantiles[:, low] <= actual) & (actual <= quantiles[:, high])
    return inside.astype(np.float64)


def _served_error(sums: _Sums) -> OwnError:
    count = sums[COUNT]
    return OwnError(
        scored_count=float(count),
        mae_requests_per_second=_ratio(sums[ABSOLUTE], count),
        wape_ratio=_ratio(sums[ABSOLUTE], sums[ACTUAL]),
        relative_mae_ratio=_ratio(sums[ABSOLUTE], sums[LAST_ABSOLUTE]),
        pinball_requests_per_second=_ratio(sums[PINBALL], count),
        coverage_80_ratio=_ratio(sums[IN_80], count),
        coverage_95_ratio=_ratio(sums[IN_95], count),
    )


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None
