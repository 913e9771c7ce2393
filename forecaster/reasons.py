"""What a forecast rests on, or why there is none, in a line for each series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from forecaster.history import NEVER
from forecaster.horizons import MINUTE_SECONDS
from forecaster.mixture import LAST_VALUE

_NAMED_MAX = 3
_SHARE_MIN = 0.05


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of n series at `minute`.

    Attributes:
        minute: the minute's number.
        newest_minute: (n,), the newest with a value; NEVER: none.
        known_minutes: (n,), how many of the last two hours have one.
        onset_minute: (n,), when the anomaly began; NEVER: none.
        weights: (n, M, 6).
        gated: (n, M, 6), who has no weight because of lately losing to the last value.
    """

    minute: int
    newest_minute: npt.NDArray[np.int64]
    known_minutes: npt.NDArray[np.integer]
    onset_minute: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    gated: npt.NDArray[np.bool_]


def reasons_of(experts: Sequence[str], of: Circumstances, minutes_min: int) -> tuple[str, ...]:
    """Return the line of each series."""
    shares = of.weights.mean(axis=2)
    served = np.any(shares > 0, axis=1)
    out: npt.NDArray[np.bool_] = np.min(of.gated, axis=2)
    order = np.argsort(-shares, axis=1)[:, :_NAMED_MAX]
    lines = []
    for row in range(len(shares)):
        if not served[row]:
            lines.append(_why_none(of, row, minutes_min))
            continue
        said = [
            f"{experts[place]} {shares[row, place]:.0%}"
            for place in order[row].tolist()
            if shares[row, place] >= _SHARE_MIN
        ]
        line = ", ".join(said)
        if out[row].any():
            names = [experts[place] for place in np.flatnonzero(out[row]).tolist()]
            line += f"; worse than the {LAST_VALUE.replace('-', ' ')} of late: {', '.join(names)}"
        if of.onset_minute[row] != NEVER:
            line += (
                f"; out of the ordinary since {_clock(int(of.onset_minute[row]))}:"
                " intervals widened, no model learns"
            )
        lines.append(line)
    return tuple(lines)


def _why_none(of: Circumstances, row: int, minutes_min: int) -> str:
    known = int(of.known_minutes[row])
    newest = int(of.newest_minute[row])
    if newest == NEVER:
        return "no sample yet"
    if known < minutes_min and of.minute - newest <= minutes_min:
        return f"warming up: {known} of {minutes_min} minutes known"
    return f"the newest sample is {of.minute - newest} minutes old"


def _clock(minute: int) -> str:
    return datetime.fromtimestamp(minute * MINUTE_SECONDS, UTC).strftime("%H:%M UTC")
