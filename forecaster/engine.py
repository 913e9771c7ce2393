"""The engine of forecasts: histories of many series, experts, their mixture, calibration.

All of it is vectorised over series. Once every five minutes (on the absolute grid) what had been
forecast is scored and learnt from; in between it only forecasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster import pending
from forecaster.anomaly import AnomalyDetector, AnomalySettings, Seen
from forecaster.arrivals import credible
from forecaster.calibration import Calibration, CalibrationSettings
from forecaster.forecasts import Forecasts, Scored
from forecaster.history import NEVER, RECENT_MINUTES, HistoryView, PutReport
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES, MEDIAN_INDEX, QUANTILE_LEVELS
from forecaster.mixture import Mixture, MixtureSettings
from forecaster.model_set import ModelSet
from forecaster.present import mean_present, newest_present
from forecaster.reasons import Circumstances, reasons_of
from forecaster.rivals.drift import DriftCorrected
from forecaster.rivals.ets import Smoothing
from forecaster.rivals.interface import Expert, LearningExpert, State
from forecaster.rivals.naive import LastValue, SeasonalNaive
from forecaster.rivals.ridge import Ridge
from forecaster.table import Rows, Table
from forecaster.windows import Windows, windows_of

Floats = npt.NDArray[np.float32]
Arrays = dict[str, npt.NDArray[Any]]

_MIXTURE, _CALIBRATION, _ANOMALY, _PENDING, _CLOCK = (
    "mixture",
    "calibration",
    "anomaly",
    "pending",
    "clock",
)
_LEARNT: Final = "learnt_minute"
_HORIZONS: Final = len(HORIZONS_MINUTES)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine forecasts.

    Attributes:
        minutes_min: so many of the last two hours must be known before it says anything.
        age_minutes_max: it says nothing of a series whose newest minute is older.
        rows_at_once: series of one piece of work; bounds the memory.
        learn_days_max: of a long past that is put at once (`put_all`), the last days are learnt
            from as if they passed; the rest is history only.
        mixture: see there.
        calibration: see there.
        anomaly: see there.
    """

    minutes_min: int = 10
    age_minutes_max: int = 10
    rows_at_once: int = 512
    learn_days_max: float = 2.0
    mixture: MixtureSettings = field(default_factory=MixtureSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    anomaly: AnomalySettings = field(default_factory=AnomalySettings)


class Engine:
    """Forecasts of many series. For one thread."""

    def __init__(self, models: ModelSet, settings: EngineSettings = EngineSettings()) -> None:
        self._settings: Final = settings
        self._learners: tuple[LearningExpert, ...] = (Smoothing(), Ridge())
        self.models, self._experts = models, _experts_of(models)
        self.experts: Final = _names(self._experts, self._learners, models)
        self._mixture = Mixture(self.experts, settings.mixture)
        self._calibration = Calibration(settings.calibration)
        self._detector = AnomalyDetector(settings.anomaly)
        self._table = Table(
            {
                _MIXTURE: self._mixture.fresh,
                _CALIBRATION: self._calibration.fresh,
                _ANOMALY: self._detector.fresh,
                _PENDING: lambda rows: pending.fresh(rows, len(self.experts)),
                _CLOCK: lambda rows: {_LEARNT: np.full(rows, NEVER, dtype=np.int64)},
                **{f"expert-{learner.name}": learner.fresh for learner in self._learners},
            }
        )

    def adopt(self, models: ModelSet) -> bool:
        """Forecast with other models from now on; nothing that was learnt is lost or copied.

        False, and nothing changes, where they are other experts than these.
        """
        experts = _experts_of(models)
        if _names(experts, self._learners, models) != self.experts:
            return False
        self.models, self._experts = models, experts
        return True

    def keys(self) -> tuple[str, ...]:
        """Return the series that it knows."""
        return self._table.keys()

    def put(
        self, key: str, minutes: npt.NDArray[Any], requests_per_second: npt.NDArray[Any]
    ) -> PutReport:
        """Take minutes of a series, in any order; what is known is replaced.

        NaN says that a minute has none (an outage), and so do zeros that the series' own level
        makes incredible, with the minute before them where they cut it. Negative and absurd rates
        are refused, and minutes older than eight days.
        """
        history, row = self._table.history, self._table.row(key)
        numbers = np.asarray(minutes, dtype=np.int64)
        rates, newest_is_cut = credible(history, row, numbers, requests_per_second)
        if newest_is_cut:
            history.put(row, int(history.newest_minute[row]), float("nan"))
        return history.put_block(row, numbers, rates)

    def put_all(self, values: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> PutReport:
        """Take minutes and rates of many series, and learn from a long past as if it passed.

        Half an hour or less is put as it is; of more, the last days (`learn_days_max`) are put
        step by step, each scored and learnt from, so that weights and intervals fit at once.
        """
        report = PutReport()
        long = {key: given for key, given in values.items() if _spans_more(given[0])}
        for key, (minutes, rates) in values.items():
            if key not in long:
                report += self.put(key, minutes, rates)
        if not long:
            return report
        end = max(int(minutes.max()) for minutes, _ in long.values())
        oldest = min(int(minutes.min()) for minutes, _ in long.values())
        start = max(oldest - 1, end - round(self._settings.learn_days_max * 24 * 60))
        ordered = {key: _sorted(*given) for key, given in long.items()}
        for key, (minutes, rates) in ordered.items():
            report += self.put(key, minutes[minutes <= start], rates[minutes <= start])
        first = start - start % BUCKET_MINUTES
        for step in range(first, end + BUCKET_MINUTES, BUCKET_MINUTES):
            for key, (minutes, rates) in ordered.items():
                of_step = slice(*np.searchsorted(minutes, (max(step - 5, start) + 1, step + 1)))
                report += self.put(key, minutes[of_step], rates[of_step])
            if step <= end:
                self.forecast(step, tuple(ordered))
        return report

    def forecast(self, minute: int, keys: Sequence[str] | None = None) -> Forecasts:
        """Score what fell due at `minute`, learn from it, and forecast.

        Raises:
            KeyError: one of `keys` was never put.
        """
        wanted = self.keys() if keys is None else tuple(keys)
        rows = self._table.rows(wanted)
        pieces = [
            self._some(minute, wanted[some], rows[some], some.start)
            for some in _pieces(len(wanted), self._settings.rows_at_once)
        ]
        return _joined(minute, wanted, self.experts, pieces)

    def drop(self, keys: Sequence[str]) -> None:
        """Forget series."""
        self._table.drop(keys)

    def export(self, keys: Sequence[str]) -> Arrays:
        """Return all that is known of series: arrays whose first axis is that of `keys`."""
        return self._table.export(keys)

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `export` gave.

        What other models had learnt of their own is left; histories are kept.

        Raises:
            KeyError, TypeError, ValueError: it is of another version.
        """
        self._table.restore(state)

    def _some(self, minute: int, keys: Sequence[str], rows: Rows, first: int) -> Forecasts:
        view = self._table.history.view(rows, minute)
        windows = windows_of(view)
        scored = self._catch_up(view, rows, first)
        ready, newest = self._ready(view, rows)
        network = self.models.lstm.quantiles(windows)
        medians = self._medians(view, rows, network[:, :, MEDIAN_INDEX])
        medians[~ready] = np.nan
        mixture = self._table.take(_MIXTURE, rows)
        weights = self._mixture.weights(mixture, medians)
        served = self._served(rows, windows, network, self._mixture.mixed(weights, medians))
        onset = self._table.take(_ANOMALY, rows)["onset"]
        if minute % BUCKET_MINUTES == 0:
            waiting = self._table.take(_PENDING, rows)
            said = pending.Said(medians, served, windows.scale, onset != NEVER)
            pending.remember(waiting, minute, said)
            self._table.put(_PENDING, rows, waiting)
        circumstances = Circumstances(
            minute=minute,
            newest_minute=newest,
            known_minutes=(~np.isnan(view.recent)).sum(axis=1),
            onset_minute=onset,
            weights=weights,
            gated=self._mixture.gated(mixture),
        )
        return Forecasts(
            minute=minute,
            keys=tuple(keys),
            requests_per_second=served,
            models=self.experts,
            medians=medians,
            weights=weights,
            anomalous=onset != NEVER,
            reasons=reasons_of(self.experts, circumstances, self._settings.minutes_min),
            scored=scored,
        )

    def _ready(
        self, view: HistoryView, rows: Rows
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """Return which series know enough to be forecast, and their newest minute with a value."""
        known = ~np.isnan(view.recent)
        ago = np.argmax(known[:, ::-1], axis=1)
        newest = np.where(
            known.any(axis=1), view.minute - ago, self._table.history.newest_minute[rows]
        )
        enough = known.sum(axis=1) >= self._settings.minutes_min
        return enough & (view.minute - newest <= self._settings.age_minutes_max), newest

    def _medians(self, view: HistoryView, rows: Rows, network: Floats) -> Floats:
        """Return what every expert says: (n, M, 6)."""
        said = [expert.medians(view) for expert in self._experts]
        said += [
            learner.medians(self._table.take(f"expert-{learner.name}", rows), view)
            for learner in self._learners
        ]
        stacked = np.stack([*said, network], axis=1).astype(np.float32)
        stacked[~np.isfinite(stacked)] = np.nan
        return np.maximum(stacked, np.float32(0))

    def _served(self, rows: Rows, windows: Windows, network: Floats, median: Floats) -> Floats:
        distances = network - network[:, :, MEDIAN_INDEX : MEDIAN_INDEX + 1]
        return self._calibration.quantiles(
            self._table.take(_CALIBRATION, rows),
            median,
            distances,
            windows.scale,
            self._table.take(_ANOMALY, rows)["onset"] != NEVER,
        )

    def _catch_up(self, view: HistoryView, rows: Rows, first: int) -> Scored:
        """Learn what fell due at the last minute of the grid, as soon as its value is known.

        A minute whose value has not come four minutes later is judged by the newest known one of
        its five, if there is any.
        """
        late = view.offset_minutes
        grid = view.minute - late
        of_grid = view.recent[:, RECENT_MINUTES - 1 - late]
        last_chance = late == BUCKET_MINUTES - 1
        known = ~np.isnan(of_grid) | last_chance
        fresh = np.flatnonzero(known & (self._table.take(_CLOCK, rows)[_LEARNT] < grid))
        if not len(fresh):
            return _none_scored(len(self.experts))
        then = _rows_of(view, fresh) if not late else self._table.history.view(rows[fresh], grid)
        scored = self._learn(rows[fresh], then, first + fresh)
        self._table.put(_CLOCK, rows[fresh], {_LEARNT: np.full(len(fresh), grid, dtype=np.int64)})
        return scored

    def _learn(self, rows: Rows, view: HistoryView, indices: npt.NDArray[np.intp]) -> Scored:
        """Score and learn what fell due at the view's minute."""
        minute = view.minute
        waiting = self._table.take(_PENDING, rows)
        due = pending.due(waiting, minute)
        came = newest_present(view.recent[:, -BUCKET_MINUTES:])
        actual = np.repeat(came[:, None], _HORIZONS, axis=1)
        before = self._table.take(_ANOMALY, rows)["onset"]
        after = self._detect(rows, view, waiting, due)["onset"]
        self._learn_intervals(rows, due, actual)
        calm = np.flatnonzero(after == NEVER)
        self._learn_weights(rows[calm], due, actual, calm)
        self._teach(rows[calm], _rows_of(view, calm), before[calm])
        row, horizon = np.nonzero(~np.isnan(actual) & ~np.isnan(due.quantiles[:, :, MEDIAN_INDEX]))
        return Scored(
            key_indices=indices[row],
            horizon_indices=horizon,
            actual=actual[row, horizon],
            quantiles=due.quantiles[row, horizon],
            medians=due.medians[row, :, horizon],
            origin_minutes=minute - np.array(HORIZONS_MINUTES)[horizon],
        )

    def _learn_intervals(self, rows: Rows, due: pending.Due, actual: Floats) -> None:
        """Let stretches follow; also what is out of the ordinary must be covered as promised."""
        state = self._table.take(_CALIBRATION, rows)
        learnt = self._calibration.learn(state, due.quantiles, actual, due.widened)
        self._table.put(_CALIBRATION, rows, learnt)

    def _learn_weights(
        self, rows: Rows, due: pending.Due, actual: Floats, calm: npt.NDArray[np.intp]
    ) -> None:
        """Let weights follow where traffic is ordinary."""
        mixed = due.quantiles[calm][:, :, MEDIAN_INDEX]
        state = self._table.take(_MIXTURE, rows)
        learnt = self._mixture.learn(
            state, due.medians[calm], mixed, actual[calm], due.scales[calm]
        )
        self._table.put(_MIXTURE, rows, learnt)

    def _teach(self, rows: Rows, view: HistoryView, onset_before: npt.NDArray[np.int64]) -> None:
        """Let the learning experts follow; an anomaly that is over is left out, a new level not."""
        lasted = view.minute - onset_before >= HORIZONS_MINUTES[-1]
        over = np.flatnonzero((onset_before != NEVER) & ~lasted)
        for learner in self._learners:
            name = f"expert-{learner.name}"
            if len(over):
                state = learner.skip(self._table.take(name, rows[over]), view.minute)
                self._table.put(name, rows[over], state)
            state = learner.step(self._table.take(name, rows), view)
            self._table.put(name, rows, state)

    def _detect(self, rows: Rows, view: HistoryView, waiting: State, due: pending.Due) -> State:
        before = self._table.take(_ANOMALY, rows)
        origins = self._detector.clean_origin(before)
        seen = Seen(
            last_minute=newest_present(view.recent[:, -BUCKET_MINUTES:]),
            last_minutes=mean_present(view.recent[:, -BUCKET_MINUTES:], axis=1),
            foreseen=due.quantiles[:, 0],
            foreseen_before=pending.said_at(waiting, origins, view.minute),
            scale=due.scales[:, 0],
        )
        after = self._detector.step(before, view.minute, seen)
        self._table.put(_ANOMALY, rows, after)
        return after


def _experts_of(models: ModelSet) -> tuple[Expert, ...]:
    drift = (DriftCorrected("difference"), DriftCorrected("factor"))
    trees = (models.boosting,) if models.boosting is not None else ()
    return (LastValue(), SeasonalNaive.day(), SeasonalNaive.week(), *drift, *trees)


def _names(
    experts: Sequence[Expert], learners: Sequence[LearningExpert], models: ModelSet
) -> tuple[str, ...]:
    names = [expert.name for expert in experts] + [learner.name for learner in learners]
    return (*names, models.lstm.name)


def _spans_more(minutes: npt.NDArray[Any]) -> bool:
    return len(minutes) > 0 and int(minutes.max() - minutes.min()) > HORIZONS_MINUTES[-1]


def _sorted(
    minutes: npt.NDArray[Any], rates: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    order = np.argsort(minutes, kind="stable")
    return minutes[order], rates[order]


def _pieces(length: int, most: int) -> Iterator[slice]:
    yield from (slice(first, min(first + most, length)) for first in range(0, length, most))


def _rows_of(view: HistoryView, rows: npt.NDArray[np.intp]) -> HistoryView:
    if len(rows) == len(view.recent):
        return view
    return HistoryView(view.minute, view.recent[rows], view.past[rows])


def _none_scored(experts: int) -> Scored:
    return Scored(
        key_indices=np.empty(0, dtype=np.intp),
        horizon_indices=np.empty(0, dtype=np.intp),
        actual=np.empty(0, dtype=np.float32),
        quantiles=np.empty((0, len(QUANTILE_LEVELS)), dtype=np.float32),
        medians=np.empty((0, experts), dtype=np.float32),
        origin_minutes=np.empty(0, dtype=np.int64),
    )


def _joined(
    minute: int, keys: tuple[str, ...], experts: tuple[str, ...], pieces: Sequence[Forecasts]
) -> Forecasts:
    """Put the pieces of a forecast together."""
    if len(pieces) == 1:
        return pieces[0]
    none = len(experts), _HORIZONS
    scored = [piece.scored for piece in pieces] or [_none_scored(len(experts))]
    return Forecasts(
        minute=minute,
        keys=keys,
        requests_per_second=_all(
            [p.requests_per_second for p in pieces], (_HORIZONS, len(QUANTILE_LEVELS))
        ),
        models=experts,
        medians=_all([piece.medians for piece in pieces], none),
        weights=_all([piece.weights for piece in pieces], none),
        anomalous=np.concatenate([np.empty(0, np.bool_), *(piece.anomalous for piece in pieces)]),
        reasons=tuple(reason for piece in pieces for reason in piece.reasons),
        scored=Scored(
            *(
                np.concatenate([getattr(one, name) for one in scored])
                for name in Scored.__dataclass_fields__
            )
        ),
    )


def _all(arrays: Sequence[Floats], shape: tuple[int, ...]) -> Floats:
    return np.concatenate([np.empty((0, *shape), dtype=np.float32), *arrays])
