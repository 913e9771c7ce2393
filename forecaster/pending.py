"""Forecasts of the last half hour, kept until what they were made for has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster.history import NEVER
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES, QUANTILE_LEVELS
from forecaster.rivals.interface import State

Floats = npt.NDArray[np.float32]
Minutes = npt.NDArray[np.int64]

_HORIZONS: Final = len(HORIZONS_MINUTES)
#: An origin for every step of the longest horizon, and that of now.
SLOTS: Final = _HORIZONS + 1


def fresh(rows: int, experts: int) -> dict[str, npt.NDArray[Any]]:
    """Return the state of series that nothing was forecast of.

    minutes (n, 7), medians (n, 7, M, 6), quantiles (n, 7, 6, 5), scales (n, 7), widened (n, 7).
    """
    return {
        "minutes": np.full((rows, SLOTS), NEVER, dtype=np.int64),
        "medians": np.full((rows, SLOTS, experts, _HORIZONS), np.nan, dtype=np.float32),
        "quantiles": np.full(
            (rows, SLOTS, _HORIZONS, len(QUANTILE_LEVELS)), np.nan, dtype=np.float32
        ),
        "scales": np.full((rows, SLOTS), np.nan, dtype=np.float32),
        "widened": np.zeros((rows, SLOTS), dtype=np.bool_),
    }


def slot_of(minute: int) -> int:
    """Return the place of an origin on the five-minute grid."""
    return minute // BUCKET_MINUTES % SLOTS


@dataclass(frozen=True, slots=True)
class Said:
    """What is said at one minute: medians (n, M, 6), quantiles (n, 6, 5), scales, widened (n,)."""

    medians: Floats
    quantiles: Floats
    scales: Floats
    widened: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Due:
    """What was said of one minute, by horizon; NaN at those at which nothing was said.

    Attributes:
        medians: (n, M, 6).
        quantiles: (n, 6, 5).
        scales: (n, 6).
        widened: (n, 6), whether an anomaly had widened the quantiles.
    """

    medians: Floats
    quantiles: Floats
    scales: Floats
    widened: npt.NDArray[np.bool_]


def due(state: State, minute: int) -> Due:
    """Return what was said of `minute`."""
    medians, quantiles, scales, widened = [], [], [], []
    for place, ahead in enumerate(HORIZONS_MINUTES):
        slot = slot_of(minute - ahead)
        there = state["minutes"][:, slot] == minute - ahead
        medians.append(np.where(there[:, None], state["medians"][:, slot, :, place], np.nan))
        quantiles.append(np.where(there[:, None], state["quantiles"][:, slot, place], np.nan))
        scales.append(np.where(there, state["scales"][:, slot], np.nan))
        widened.append(there & state["widened"][:, slot])
    return Due(
        medians=np.stack(medians, axis=-1).astype(np.float32, copy=False),
        quantiles=np.stack(quantiles, axis=1).astype(np.float32, copy=False),
        scales=np.stack(scales, axis=1).astype(np.float32, copy=False),
        widened=np.stack(widened, axis=1),
    )


def said_at(state: State, origins: Minutes, minute: int) -> Floats:
    """Return the quantiles (n, 5) that were said at each row's origin of `minute`, else NaN."""
    ahead = minute - origins
    place = ahead // BUCKET_MINUTES - 1
    known = (place >= 0) & (place < _HORIZONS) & (ahead % BUCKET_MINUTES == 0)
    rows = np.arange(len(origins))
    slots = np.where(known, origins // BUCKET_MINUTES % SLOTS, 0)
    found = state["quantiles"][rows, slots, np.where(known, place, 0)]
    known &= state["minutes"][rows, slots] == origins
    return np.where(known[:, None], found, np.float32(np.nan))


def remember(state: dict[str, npt.NDArray[Any]], minute: int, said: Said) -> None:
    """Keep what is said now, in place, of the series that said nothing of this minute before."""
    slot = slot_of(minute)
    fresh = state["minutes"][:, slot] < minute
    state["minutes"][fresh, slot] = minute
    state["medians"][fresh, slot] = said.medians[fresh]
    state["quantiles"][fresh, slot] = said.quantiles[fresh]
    state["scales"][fresh, slot] = said.scales[fresh]
    state["widened"][fresh, slot] = said.widened[fresh]
