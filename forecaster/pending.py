"""Forecasts of the last half hour, kept until what they were made for has come."""

from __future__ import annotations

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

    minutes (n, 7), medians (n, 7, M, 6), quantiles (n, 7, 6, 5), scales (n, 7).
    """
    return {
        "minutes": np.full((rows, SLOTS), NEVER, dtype=np.int64),
        "medians": np.full((rows, SLOTS, experts, _HORIZONS), np.nan, dtype=np.float32),
        "quantiles": np.full(
            (rows, SLOTS, _HORIZONS, len(QUANTILE_LEVELS)), np.nan, dtype=np.float32
        ),
        "scales": np.full((rows, SLOTS), np.nan, dtype=np.float32),
    }


def slot_of(minute: int) -> int:
    """Return the place of an origin on the five-minute grid."""
    return minute // BUCKET_MINUTES % SLOTS


def due(state: State, minute: int) -> tuple[Floats, Floats, Floats]:
    """Return what was said of `minute`: medians (n, M, 6), quantiles (n, 6, 5), scales (n, 6).

    NaN at the horizons at which nothing was said.
    """
    medians, quantiles, scales = [], [], []
    for place, ahead in enumerate(HORIZONS_MINUTES):
        slot = slot_of(minute - ahead)
        there = state["minutes"][:, slot] == minute - ahead
        medians.append(np.where(there[:, None], state["medians"][:, slot, :, place], np.nan))
        quantiles.append(np.where(there[:, None], state["quantiles"][:, slot, place], np.nan))
        scales.append(np.where(there, state["scales"][:, slot], np.nan))
    return (
        np.stack(medians, axis=-1).astype(np.float32, copy=False),
        np.stack(quantiles, axis=1).astype(np.float32, copy=False),
        np.stack(scales, axis=1).astype(np.float32, copy=False),
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


def remember(
    state: dict[str, npt.NDArray[Any]],
    minute: int,
    medians: Floats,
    quantiles: Floats,
    scales: Floats,
) -> None:
    """Keep what is said now, in place."""
    slot = slot_of(minute)
    state["minutes"][:, slot] = minute
    state["medians"][:, slot] = medians
    state["quantiles"][:, slot] = quantiles
    state["scales"][:, slot] = scales
