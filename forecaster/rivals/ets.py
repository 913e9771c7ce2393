"""Damped-trend exponential smoothing of minutes, ETS(A,Ad,N), with a constant cost per minute.

Hyndman and Athanasopoulos, "Forecasting: principles and practice", 8.2 (Gardner's damped trend):

    l = a y + (1 - a)(l + p b),   b = g (l - l_before) + (1 - g) p b,   l(h) = l + (p + ... + p^h) b

A minute that is absent moves the level along its trend. Refitting would be a pass over all minutes;
instead each series carries the smoothing of a few parameter sets side by side, with the running
error of each a quarter of an hour ahead, and forecasts with the one that erred the least.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster.history import RECENT_MINUTES, Floats, HistoryView
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES
from forecaster.rivals.interface import State
from forecaster.rivals.levels import newest_value

#: Smoothing of the level, of the trend, and damping, all per minute.
PARAMETERS: Final = (
    *((0.02, 0.0, 1.0), (0.05, 0.0, 1.0), (0.1, 0.0, 1.0), (0.2, 0.0, 1.0), (0.5, 0.0, 1.0)),
    *((0.1, 0.01, 0.98), (0.2, 0.02, 0.98), (0.5, 0.05, 0.98)),
    *((0.1, 0.02, 0.93), (0.2, 0.05, 0.93), (0.5, 0.1, 0.93), (0.9, 0.3, 0.93)),
)
#: How far ahead the sets are compared, and how much of an old error a step keeps.
_COMPARED_MINUTES: Final = 15
_KEPT_RATIO: Final = 0.995
_SLOTS: Final = _COMPARED_MINUTES // BUCKET_MINUTES
_NEVER: Final = -(2**31)


class Smoothing:
    """Exponential smoothing of many series; its state is arrays, see `fresh`."""

    name: Final = "ets"

    def __init__(self, parameters: tuple[tuple[float, float, float], ...] = PARAMETERS) -> None:
        level, trend, damping = np.array(parameters, dtype=np.float32).T
        self._level: Final = level
        self._trend: Final = trend
        self._damping: Final = damping

    def fresh(self, rows: int) -> State:
        """Return the state of series of which nothing is known.

        level, trend, error (n, sets); issued (n, 3, sets): the forecasts of the last quarter of an
        hour for the one after, at the minutes (n, 3); minute (n,): the newest one smoothed.
        """
        sets = len(self._level)
        single = np.float32
        return {
            "level": np.full((rows, sets), np.nan, dtype=single),
            "trend": np.zeros((rows, sets), dtype=single),
            "error": np.zeros((rows, sets), dtype=single),
            "issued": np.full((rows, _SLOTS, sets), np.nan, dtype=single),
            "minutes": np.full((rows, _SLOTS), _NEVER, dtype=np.int32),
            "minute": np.full(rows, _NEVER, dtype=np.int32),
        }

    def step(self, state: State, view: HistoryView) -> State:
        """Smooth the minutes since the last step, at most two hours of them."""
        arrays = {name: values.copy() for name, values in state.items()}
        self._compare(arrays, view)
        fresh = view.minute - arrays["minute"].astype(np.int64)
        for ago in range(min(int(fresh.max(initial=0)), RECENT_MINUTES) - 1, -1, -1):
            self._smooth(arrays, view.recent[:, RECENT_MINUTES - 1 - ago], fresh > ago)
        # Never back, or a minute would be smoothed twice.
        arrays["minute"] = np.maximum(arrays["minute"], np.int32(view.minute))
        slot = view.minute // BUCKET_MINUTES % _SLOTS
        arrays["issued"][:, slot] = self._ahead(arrays, np.array([_COMPARED_MINUTES]))[:, 0]
        arrays["minutes"][:, slot] = view.minute
        return arrays

    def skip(self, state: State, minute: int) -> State:
        """Leave out the minutes up to this one: they were out of the ordinary."""
        return dict(state) | {"minute": np.full_like(state["minute"], minute)}

    def medians(self, state: State, view: HistoryView) -> Floats:
        """Forecast requests/s: (n, 6); NaN before the first minute, or after ten without any."""
        later = view.minute - state["minute"].astype(np.int64)
        minutes = np.array(HORIZONS_MINUTES) + later[:, None]
        best = np.argmin(state["error"], axis=1)[:, None, None]
        found = np.take_along_axis(self._ahead(state, minutes), best, axis=2)[:, :, 0]
        silent = np.isnan(newest_value(view))[:, None]
        rates: Floats = np.where(silent, np.float32(np.nan), np.maximum(found, 0))
        return rates

    def _ahead(self, state: State, minutes: npt.NDArray[np.int64]) -> Floats:
        """Forecast of every set so many minutes, (n or none, k), after the newest: (n, k, sets)."""
        ahead = np.clip(np.atleast_2d(minutes), 0, RECENT_MINUTES)
        along = _damped_sums(self._damping)[ahead]
        found: Floats = state["level"][:, None] + along * state["trend"][:, None]
        return found

    def _smooth(
        self, arrays: dict[str, npt.NDArray[Any]], values: Floats, fresh: npt.NDArray[np.bool_]
    ) -> None:
        """Take one minute's values, (n,), where they are fresh."""
        level, trend = arrays["level"], arrays["trend"]
        moved = self._damping * trend
        expected = level + moved
        value = values[:, None]
        smoothed = expected + self._level * (value - expected)
        turned = moved + self._trend * (smoothed - level - moved)
        first, absent = np.isnan(level), np.isnan(value)
        smoothed = np.where(first, value, np.where(absent, expected, smoothed))
        turned = np.where(first, np.float32(0), np.where(absent, moved, turned))
        arrays["level"] = np.where(fresh[:, None], smoothed, level)
        arrays["trend"] = np.where(fresh[:, None], turned, trend)

    def _compare(self, arrays: dict[str, npt.NDArray[Any]], view: HistoryView) -> None:
        """Add what each set erred with the forecast whose time has come."""
        came = view.recent[:, -1, None]
        for slot in range(_SLOTS):
            due = arrays["minutes"][:, slot] == view.minute - _COMPARED_MINUTES
            error = np.abs(np.maximum(arrays["issued"][:, slot], 0) - came)
            known = due[:, None] & ~np.isnan(error)
            total = np.float32(_KEPT_RATIO) * arrays["error"] + error
            arrays["error"] = np.where(known, total, arrays["error"])


def _damped_sums(damping: Floats) -> Floats:
    """Sums p + p^2 + ... + p^h for h = 0 ... 120: (121, sets)."""
    powers = damping[None, :] ** np.arange(1, RECENT_MINUTES + 1, dtype=np.float32)[:, None]
    none = np.zeros((1, len(damping)), dtype=np.float32)
    sums: Floats = np.concatenate([none, np.cumsum(powers, axis=0)]).astype(np.float32)
    return sums
