"""A stand-in for the engine: last value and yesterday, with intervals of a fixed width."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from forecaster.horizons import HORIZONS_MINUTES

HORIZONS = len(HORIZONS_MINUTES)
DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class NaiveForecasts:
    """As `forecaster.engine.Forecasts`."""

    requests_per_second: np.ndarray
    models: tuple[str, ...]
    medians: np.ndarray
    anomalous: np.ndarray


@dataclass
class NaiveEngine:
    """Keeps every minute that it was given, and in `calls` what it was asked."""

    known: dict[int, float] = field(default_factory=dict)
    calls: list[tuple[str, int]] = field(default_factory=list)
    width_ratio: float = 0.2

    def put(self, _key, minutes, values):
        """Take minutes."""
        for minute, value in zip(minutes.tolist(), values.tolist(), strict=True):
            self.known[minute] = value
            self.calls.append(("put", minute))

    def forecast(self, minute):
        """Serve the newest value that it has, which shows whoever gave it too much."""
        self.calls.append(("forecast", minute))
        values = reversed(self.known.values())  # minutes come in order
        last = next((value for value in values if value == value), np.nan)  # noqa: PLR0124 - no NaN
        yesterday = [self.known.get(minute + h - DAY_MINUTES, np.nan) for h in HORIZONS_MINUTES]
        spread = 1 + self.width_ratio * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
        medians = np.array([[[last] * HORIZONS, yesterday]])
        served = np.full((1, HORIZONS, 1), last) * spread
        return NaiveForecasts(served, ("last-value", "yesterday"), medians, np.array([False]))


def new_naive_engine(_series):
    """Make one that knows nothing; in a module, as it is sent to other processes by name."""
    return NaiveEngine()
