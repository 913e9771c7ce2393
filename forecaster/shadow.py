"""The challenger: forecasts some of the workloads on the same data, and is shown to nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from forecaster.challenge import Contest
from forecaster.contract import Floats, ForecastEngine, ForecastSet, Integers
from forecaster.horizons import HORIZONS_SECONDS, MEDIAN_INDEX
from forecaster.own_errors import LAST_VALUE

_Names = npt.NDArray[np.int64]


class Shadow:
    """An engine beside the serving one, and how both did on the same forecasts."""

    def __init__(
        self,
        version: str,
        engine: ForecastEngine,
        champion: ForecastEngine,
        *,
        keys_max: int,
        minute: int,
    ) -> None:
        """Begin with what the champion knows of `keys_max` workloads, as of a minute.

        Forecasts that it takes over from the champion are not compared: they are none of its own.
        """
        self.version = version
        self.engine = engine
        self.contest = Contest()
        self._since_minute = minute
        self._keys_max = keys_max
        known = champion.keys()
        # Every n-th: keys lie in the order in which they came, which may be that of their size.
        keys = known[:: max(1, -(-len(known) // keys_max))]
        if keys:
            engine.restore(champion.export(keys))
        self._keys = dict.fromkeys(keys)
        #: Workloads by number, so that a forecast has a name that can be sorted.
        self._numbers: dict[str, int] = {}

    def put(self, key: str, minutes: Integers, requests_per_second: Floats) -> None:
        """Take what the champion takes, of its own workloads; of new ones while there is room."""
        if key not in self._keys:
            if len(self._keys) >= self._keys_max:
                return
            self._keys[key] = None
        self.engine.put(key, minutes, requests_per_second)

    def drop(self, keys: Iterable[str]) -> None:
        """Forget workloads."""
        ours = [key for key in keys if key in self._keys]
        known = set(self.engine.keys())
        self.engine.drop([key for key in ours if key in known])
        for key in ours:
            del self._keys[key]

    def compare(self, champion: ForecastSet) -> None:
        """Forecast the same, and count what fell due for both."""
        keys = [key for key in champion.keys if key in self._keys]
        if not keys:
            return
        own = self.engine.forecast(champion.minute, keys)
        ours, theirs = self._names(own), self._names(champion)
        _, own_rows, their_rows = np.intersect1d(ours, theirs, return_indices=True)
        recent = own.scored.origin_minutes[own_rows] > self._since_minute
        own_rows, their_rows = own_rows[recent], their_rows[recent]
        if not len(own_rows) or LAST_VALUE not in champion.models:
            return
        actual = champion.scored.actual[their_rows]
        last = champion.scored.medians[their_rows, champion.models.index(LAST_VALUE)]
        errors = np.abs(
            np.stack(
                [
                    champion.scored.quantiles[their_rows, MEDIAN_INDEX] - actual,
                    own.scored.quantiles[own_rows, MEDIAN_INDEX] - actual,
                    last - actual,
                ]
            )
        )
        self._count(errors[:, np.isfinite(errors).all(axis=0)])

    def _count(self, errors: Floats) -> None:
        before = self.contest
        self.contest = replace(
            before,
            scored_count=before.scored_count + errors.shape[1],
            champion=before.champion + float(errors[0].sum()),
            challenger=before.challenger + float(errors[1].sum()),
            last_value=before.last_value + float(errors[2].sum()),
        )

    def _names(self, forecasts: ForecastSet) -> _Names:
        """A number for each scored forecast: its workload, its horizon and its minute."""
        numbers = self._numbered(forecasts.keys)
        scored = forecasts.scored
        horizon = scored.horizon_indices.astype(np.int64)
        names: _Names = (numbers[scored.key_indices] * len(HORIZONS_SECONDS) + horizon) * 2**32
        return names + scored.origin_minutes.astype(np.int64)

    def _numbered(self, keys: Sequence[str]) -> _Names:
        known = self._numbers
        return np.array([known.setdefault(key, len(known)) for key in keys], np.int64)
