"""The challenger: forecasts some of the workloads on the same data, and is shown to nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster.challenge import Contest
from forecaster.contract import Arrays, Floats, ForecastEngine, ForecastSet, Integers
from forecaster.horizons import HORIZONS_SECONDS, MEDIAN_INDEX, MINUTE_SECONDS
from forecaster.own_errors import LAST_VALUE, RATIO_MAX

_Names = npt.NDArray[np.int64]
#: Columns of a workload's sums: absolute errors, what came (requests/s), and how many forecasts,
#: and beside those how many of which the challenger alone said nothing.
_CHAMPION, _CHALLENGER, _LAST, _ACTUAL, _COUNT, _SILENT = range(6)
_WIDTH: Final = 6
#: Below this share of its traffic an error is none: nobody is better by a rounding.
_FLOOR_RATIO: Final = 1e-3
#: The same where there is no traffic, requests/s.
_FLOOR: Final = 1e-9
#: A minute of a pause counts no longer than this towards the time compared.
_STEP_SECONDS_MAX: Final = 600.0
#: Of so many of the workloads that were compared before a restart nothing may be known any more.
_LOST_RATIO_MAX: Final = 0.1
Kept = Mapping[str, npt.NDArray[Any]]


class Shadow:
    """An engine beside the serving one, and how both did on the same forecasts."""

    def __init__(  # noqa: PLR0913 - the last two have defaults
        self,
        version: str,
        engine: ForecastEngine,
        champion: ForecastEngine,
        *,
        keys_max: int,
        minute: int,
        against: str = "",
        contests: Iterable[Kept] = (),
    ) -> None:
        """Begin with what the champion knows of `keys_max` workloads, as of a minute.

        Forecasts that it takes over from the champion are not compared: they are none of its own.
        ``against`` is the champion's version, ``contests`` what `export` gave before a restart.
        """
        self.version, self.against = version, against
        self.engine = engine
        self.contest = Contest()
        #: How often it was looked who is better; `ModelChanges` counts.
        self.looks_taken = 0
        self._minute = minute
        self._seconds = 0.0
        self._keys_max = keys_max
        #: Workloads, and after which minute forecasts of them are the engine's own.
        self._keys: dict[str, int] = {}
        #: Workloads by number, so that a forecast has a name that can be sorted.
        self._numbers: dict[str, int] = {}
        self._next = count()
        self._sums: dict[str, npt.NDArray[np.float64]] = {}
        known, kept = champion.keys(), tuple(contests)
        for contest in kept:
            self._go_on(champion, known, minute, contest)
        self._take(champion, known, minute)
        self._say()

    def take_over(
        self, champion: ForecastEngine, known: Sequence[str], minute: int, kept: Kept | None = None
    ) -> None:
        """Take what the champion knows of a partition's workloads as of a minute.

        Of those that were compared before a restart, where this is the contest that was `kept`;
        partitions that come later find the room that theirs need. Else of as many as have room.
        """
        if kept is None or not self._is_ours(kept):
            self._take(champion, known, minute)
        else:
            self._go_on(champion, known, minute, kept)
            self._say()

    def export(self, keys: Iterable[str]) -> Arrays:
        """What a restart needs of how both did on workloads."""
        known = [key for key in keys if key in self._keys]
        nothing = np.zeros(_WIDTH)
        return {
            "keys": np.array(known, np.str_),
            "sums": np.array([self._sums.get(key, nothing) for key in known]).reshape(-1, _WIDTH),
            "versions": np.array([self.version, self.against], np.str_),
            "seconds": np.array([self._seconds]),
            "looks_taken": np.array([self.looks_taken]),
        }

    def _is_ours(self, kept: Kept) -> bool:
        versions = [str(each) for each in kept["versions"]]
        return versions == [self.version, self.against] and kept["sums"].shape[1:] == (_WIDTH,)

    def _go_on(
        self, champion: ForecastEngine, known: Sequence[str], minute: int, kept: Kept
    ) -> None:
        """Compare the same workloads as before; where too many are not there, begin anew.

        Else it would be judged on hours of which there are no forecasts.
        """
        if not self._is_ours(kept):
            return
        sums = dict(zip(kept["keys"].tolist(), np.asarray(kept["sums"], np.float64), strict=True))
        self._take(champion, [key for key in known if key in sums], minute)
        found = {key: mine.copy() for key, mine in sums.items() if key in self._keys}
        if not found or len(found) < (1 - _LOST_RATIO_MAX) * len(sums):
            return
        self._sums |= found
        self._seconds = max(self._seconds, float(kept["seconds"][0]))
        self.looks_taken = max(self.looks_taken, int(kept["looks_taken"][0]))

    def _take(self, champion: ForecastEngine, known: Sequence[str], minute: int) -> None:
        """Take what the champion knows of workloads that are new here, while there is room."""
        new = [key for key in known if key not in self._keys]
        if (room := self._keys_max - len(self._keys)) <= 0 or not new:
            return
        # Every n-th: keys lie in the order in which they came, which may be that of their size.
        keys = new[:: -(-len(new) // room)]
        self.engine.restore(champion.export(keys))
        self._keys |= dict.fromkeys(keys, minute)

    def put(self, key: str, minutes: Integers, requests_per_second: Floats) -> None:
        """Take what the champion takes, of its own workloads; of new ones while there is room."""
        if key not in self._keys:
            if len(self._keys) >= self._keys_max:
                return
            # What the champion learnt from a past that came at once, this one did not forecast.
            self._keys[key] = int(minutes.max(initial=self._minute))
        self.engine.put(key, minutes, requests_per_second)

    def drop(self, keys: Iterable[str]) -> None:
        """Forget workloads."""
        ours = [key for key in keys if key in self._keys]
        known = set(self.engine.keys())
        self.engine.drop([key for key in ours if key in known])
        for key in ours:
            del self._keys[key]
            self._numbers.pop(key, None)
            self._sums.pop(key, None)

    def compare(self, champion: ForecastSet) -> None:
        """Forecast the same, and count what fell due for both."""
        keys = [key for key in champion.keys if key in self._keys]
        if not keys:
            return
        own = self.engine.forecast(champion.minute, keys)
        if LAST_VALUE not in champion.models:
            return
        expected = self._expected(champion)
        if not len(expected):
            return
        theirs = self._names(champion)[expected]
        _, own_rows, places = np.intersect1d(self._names(own), theirs, return_indices=True)
        said = np.full(len(expected), np.nan)
        said[places] = own.scored.quantiles[own_rows, MEDIAN_INDEX]
        scored = champion.scored
        actual = scored.actual[expected]
        last = scored.medians[expected, champion.models.index(LAST_VALUE)]
        served = scored.quantiles[expected, MEDIAN_INDEX]
        errors = [np.abs(each - actual) for each in (served, said, last)]
        known = np.isfinite(errors)
        told = known[_CHAMPION] & known[_LAST]
        both = told & known[_CHALLENGER]
        sums = np.stack([*errors, np.abs(actual), both, ~both], axis=1)
        sums[~both, :_COUNT] = 0.0
        self._count(champion, scored.key_indices[expected][told], sums[told])

    def _expected(self, champion: ForecastSet) -> npt.NDArray[np.intp]:
        """Rows of what fell due of the champion's that the challenger should have foreseen."""
        never = np.iinfo(np.int64).max
        since = np.array([self._keys.get(key, never) for key in champion.keys], np.int64)
        scored = champion.scored
        return np.flatnonzero(scored.origin_minutes > since[scored.key_indices])

    def _count(self, champion: ForecastSet, places: Integers, added: Floats) -> None:
        """Add errors [k, 6] to the sums of workloads, and say anew how both do."""
        for place in np.unique(places).tolist():
            key = champion.keys[place]
            mine = added[places == place].sum(axis=0)
            self._sums[key] = self._sums.get(key, np.zeros(added.shape[1])) + mine
        passed_seconds = (champion.minute - self._minute) * MINUTE_SECONDS
        self._seconds += min(max(0.0, passed_seconds), _STEP_SECONDS_MAX)
        self._minute = max(self._minute, champion.minute)
        self._say()

    def _say(self) -> None:
        sums = np.array(list(self._sums.values())).reshape(-1, _WIDTH)
        self.contest = contest_of(
            sums[sums[:, _COUNT] > 0],
            silent_count=int(sums[:, _SILENT].sum()),
            seconds=self._seconds,
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
        for key in keys:
            if key not in known:
                known[key] = next(self._next)
        return np.array([known[key] for key in keys], np.int64)


def contest_of(sums: Floats, *, silent_count: int, seconds: float) -> Contest:
    """How champion and challenger do by sums of workloads [n, 5 or more], each counting alike.

    Ratios of errors are clipped to 1/10…10: no single workload decides, not even one whose traffic
    stands so that the last value is never off.
    """
    if not len(sums):
        return Contest(silent_count=silent_count, seconds=seconds)
    floor = np.maximum(_FLOOR_RATIO * sums[:, _ACTUAL], _FLOOR)
    errors = sums[:, : _LAST + 1] + floor[:, None]

    def typical(over: int, under: int) -> float:
        ratios = np.clip(errors[:, over] / errors[:, under], 1 / RATIO_MAX, RATIO_MAX)
        return float(np.exp(np.log(ratios).mean()))

    champion_ratio = typical(_CHAMPION, _LAST)
    return Contest(
        scored_count=int(sums[:, _COUNT].sum()),
        silent_count=silent_count,
        seconds=seconds,
        workloads=len(sums),
        champion_ratio=champion_ratio,
        challenger_ratio=champion_ratio * typical(_CHALLENGER, _CHAMPION),
    )
