"""A stand-in for the engine over many series: the last value and a fixed spread, with scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from forecaster.history import PutReport
from forecaster.horizons import HORIZONS_MINUTES, QUANTILE_LEVELS

HORIZONS, LEVELS = len(HORIZONS_MINUTES), len(QUANTILE_LEVELS)
SPREAD = np.array([0.5, 0.8, 1.0, 1.2, 1.5])
MODELS = ("last-value", "lstm")


@dataclass(frozen=True)
class PlainScored:
    """As the engine's."""

    key_indices: np.ndarray
    horizon_indices: np.ndarray
    actual: np.ndarray
    quantiles: np.ndarray
    medians: np.ndarray
    origin_minutes: np.ndarray


@dataclass(frozen=True)
class PlainForecasts:
    """As the engine's."""

    minute: int
    keys: tuple[str, ...]
    requests_per_second: np.ndarray
    models: tuple[str, ...]
    medians: np.ndarray
    weights: np.ndarray
    anomalous: np.ndarray
    reasons: tuple[str, ...]
    scored: PlainScored


@dataclass
class PlainEngine:
    """Serves `factor` times the last value; more than `anomalous_above` is an anomaly.

    A series has no forecast before its second minute. Its models are its `factor`.
    """

    factor: float = 1.0
    anomalous_above: float = 1e9
    adopts: bool = True
    known: dict[str, dict[int, float]] = field(default_factory=dict)
    pending: dict[tuple[str, int, int], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    learnt: list[dict[str, int]] = field(default_factory=list)
    asked: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    @property
    def models(self) -> float:
        """What is served: so many times the last value."""
        return self.factor

    def adopt(self, models: float) -> bool:
        """Serve so many times the last value."""
        if not self.adopts:
            return False
        self.factor = models
        return True

    def put(self, key: str, minutes: np.ndarray, requests_per_second: np.ndarray) -> PutReport:
        """Upsert."""
        report = PutReport()
        known = self.known.setdefault(key, {})
        for minute, value in zip(minutes.tolist(), requests_per_second.tolist(), strict=True):
            newest = max(known, default=minute - 1)
            kind = "repeated" if minute in known else "late" if minute < newest else "accepted"
            report += PutReport(**{kind: 1})
            known[minute] = value
        return report

    def put_all(self, values: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> PutReport:
        """Upsert all."""
        self.learnt.append({key: len(minutes) for key, (minutes, _) in values.items()})
        report = PutReport()
        for key, given in values.items():
            report += self.put(key, *given)
        return report

    def forecast(self, minute: int, keys: Sequence[str] | None = None) -> PlainForecasts:
        """Score and forecast."""
        keys = tuple(self.known if keys is None else keys)
        self.asked.append((minute, keys))
        scored = self._scored(minute, keys)
        last = np.array([self._last(key, minute) for key in keys]).reshape(-1)
        warm = np.array([len(self.known[key]) > 1 for key in keys], dtype=bool)
        median = np.where(warm, last, np.nan)
        rates = np.repeat((self.factor * median)[:, None, None] * SPREAD, HORIZONS, axis=1)
        medians = np.stack([median, self.factor * median], axis=1)[:, :, None]
        medians = np.repeat(medians, HORIZONS, axis=2)
        for row, key in enumerate(keys):
            for horizon in range(HORIZONS):
                if warm[row]:
                    kept = (rates[row, horizon], medians[row, :, horizon])
                    self.pending[key, horizon, minute] = kept
        return PlainForecasts(
            minute=minute,
            keys=keys,
            requests_per_second=rates,
            models=MODELS,
            medians=medians,
            weights=np.full(medians.shape, 0.5),
            anomalous=last > self.anomalous_above,
            reasons=tuple("the last value" if each else "warming up" for each in warm),
            scored=scored,
        )

    def keys(self) -> tuple[str, ...]:
        """The series."""
        return tuple(self.known)

    def drop(self, keys: Sequence[str]) -> None:
        """Forget."""
        for key in keys:
            del self.known[key]
        self.pending = {name: one for name, one in self.pending.items() if name[0] in self.known}

    def export(self, keys: Sequence[str]) -> dict[str, np.ndarray]:
        """Every minute of every series, and what is not scored yet."""
        rows = [
            (place, *pair) for place, key in enumerate(keys) for pair in self.known[key].items()
        ]
        names = [name for name in self.pending if name[0] in set(keys)]
        return {
            "keys": np.array(keys, np.str_),
            "rows": np.array(rows, float).reshape(-1, 3),
            "names": np.array([(keys.index(n[0]), *n[1:]) for n in names], int).reshape(-1, 3),
            "quantiles": np.array([self.pending[n][0] for n in names]).reshape(-1, LEVELS),
            "medians": np.array([self.pending[n][1] for n in names]).reshape(-1, len(MODELS)),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `export` gave."""
        keys = [str(key) for key in state["keys"]]
        self.known.update({key: {} for key in keys})
        for place, minute, value in state["rows"].tolist():
            self.known[keys[int(place)]][int(minute)] = value
        columns = (state["names"].tolist(), state["quantiles"], state["medians"])
        for (place, horizon, minute), quantiles, medians in zip(*columns, strict=True):
            self.pending[keys[place], horizon, minute] = (quantiles, medians)

    def _last(self, key: str, minute: int) -> float:
        known = {at: v for at, v in self.known[key].items() if at <= minute and not np.isnan(v)}
        return known[max(known)] if known else np.nan

    def _scored(self, minute: int, keys: tuple[str, ...]) -> PlainScored:
        rows = []
        for name in list(self.pending):
            key, horizon, origin = name
            target = origin + HORIZONS_MINUTES[horizon]
            if key not in keys or target > minute:
                continue
            quantiles, medians = self.pending.pop(name)
            actual = self.known[key].get(target, np.nan)
            if not np.isnan(actual):
                rows.append((keys.index(key), horizon, actual, quantiles, medians, origin))
        column = [np.array([row[place] for row in rows]) for place in range(6)]
        return PlainScored(
            column[0].astype(int),
            column[1].astype(int),
            column[2].astype(float),
            column[3].reshape(-1, LEVELS),
            column[4].reshape(-1, len(MODELS)),
            column[5].astype(int),
        )
