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
from forecaster.anomaly import AnomalyDetector, AnomalySettings
from forecaster.arrivals import credible
from forecaster.calibration import Calibration, CalibrationSettings
from forecaster.forecasts import Forecasts, Scored
from forecaster.history import NEVER, HistoryView, PutReport
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES, MEDIAN_INDEX, QUANTILE_LEVELS
from forecaster.mixture import Mixture, MixtureSettings
from forecaster.model_set import ModelSet
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
    rows_at_once: int = 1024
    learn_days_max: float = 2.0
    mixture: MixtureSettings = field(default_factory=MixtureSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    anomaly: AnomalySettings = field(default_factory=AnomalySettings)


class Engine:
    """Forecasts of many series. For one thread."""

    def __init__(self, models: ModelSet, settings: EngineSettings = EngineSettings()) -> None:
        self.models: Final = models
        self._settings: Final = settings
        drift = (DriftCorrected("difference"), DriftCorrected("factor"))
        self._experts: tuple[Expert, ...] = (
            *(LastValue(), SeasonalNaive.day(), SeasonalNaive.week(), *drift),
            *((models.boosting,) if models.boosting is not None else ()),
        )
        self._learners: tuple[LearningExpert, ...] = (Smoothing(), Ridge())
        names = [expert.name for expert in self._experts]
        names += [learner.name for learner in self._learners]
        self.experts: Final = (*names, models.lstm.name)
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

    def keys(self) -> tuple[str, ...]:
        """Return the series that it knows."""
        return self._table.keys()

    def put(
        self, key: str, minutes: npt.NDArray[Any], requests_per_second: npt.NDArray[Any]
    ) -> PutReport:
        """Take minutes of a series, in any order; what is known is replaced.

        NaN says that a minute has none (an outage), and so do zeros that the series' own level
        makes incredible. Negative and absurd rates are refused, and minutes older than eight days.
        """
        row = self._table.row(key)
        rates = credible(self._table.history, row, minutes, requests_per_second)
        return self._table.history.put_block(row, minutes, rates)

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
        on_grid = minute % BUCKET_MINUTES == 0
        scored = _none_scored(len(self.experts))
        if on_grid:
            fresh = np.flatnonzero(self._table.take(_CLOCK, rows)[_LEARNT] < minute)
            scored = self._learn(minute, rows[fresh], _rows_of(view, fresh), first + fresh)
        ready, newest = self._ready(view, rows)
        network = self.models.lstm.quantiles(windows)
        medians = self._medians(view, rows, network[:, :, MEDIAN_INDEX])
        medians[~ready] = np.nan
        mixture = self._table.take(_MIXTURE, rows)
        weights = self._mixture.weights(mixture, medians)
        served = self._served(rows, windows, network, self._mixture.mixed(weights, medians))
        if on_grid:
            waiting = self._table.take(_PENDING, rows)
            pending.remember(waiting, minute, medians, served, windows.scale)
            self._table.put(_PENDING, rows, waiting)
            self._table.put(_CLOCK, rows, {_LEARNT: np.full(len(rows), minute, dtype=np.int64)})
        onset = self._table.take(_ANOMALY, rows)["onset"]
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

    def _learn(
        self, minute: int, rows: Rows, view: HistoryView, indices: npt.NDArray[np.intp]
    ) -> Scored:
        """Score and learn what fell due at `minute` of rows that have not learnt it yet."""
        if not len(rows):
            return _none_scored(len(self.experts))
        waiting = self._table.take(_PENDING, rows)
        medians, quantiles, scales = pending.due(waiting, minute)
        actual = np.repeat(view.recent[:, -1:], _HORIZONS, axis=1)
        anomaly = self._detect(minute, rows, view, waiting, quantiles[:, 0])
        self._table.put(
            _CALIBRATION,
            rows,
            self._calibration.learn(self._table.take(_CALIBRATION, rows), quantiles, actual),
        )
        # What is out of the ordinary teaches nobody but the intervals.
        calm = np.flatnonzero(anomaly["onset"] == NEVER)
        mixed = quantiles[:, :, MEDIAN_INDEX]
        self._table.put(
            _MIXTURE,
            rows[calm],
            self._mixture.learn(
                self._table.take(_MIXTURE, rows[calm]),
                *(medians[calm], mixed[calm], actual[calm], scales[calm]),
            ),
        )
        calm_view = _rows_of(view, calm)
        for learner in self._learners:
            name = f"expert-{learner.name}"
            state = learner.step(self._table.take(name, rows[calm]), calm_view)
            self._table.put(name, rows[calm], state)
        row, horizon = np.nonzero(~np.isnan(actual) & ~np.isnan(mixed))
        return Scored(
            key_indices=indices[row],
            horizon_indices=horizon,
            actual=actual[row, horizon],
            quantiles=quantiles[row, horizon],
            medians=medians[row, :, horizon],
            origin_minutes=minute - np.array(HORIZONS_MINUTES)[horizon],
        )

    def _detect(
        self, minute: int, rows: Rows, view: HistoryView, waiting: State, foreseen: Floats
    ) -> State:
        before = self._table.take(_ANOMALY, rows)
        origins = self._detector.clean_origin(before)
        with np.errstate(invalid="ignore"):
            after = self._detector.step(
                before,
                minute,
                view.recent[:, -1],
                view.recent[:, -BUCKET_MINUTES:].mean(axis=1),
                foreseen,
                pending.said_at(waiting, origins, minute),
            )
        self._table.put(_ANOMALY, rows, after)
        return after


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
