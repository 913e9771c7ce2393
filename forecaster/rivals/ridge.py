"""Online ridge regression: what is left of the drift-corrected season, learnt for each series.

Exponentially weighted ridge regression in information form. For the features x of an origin and
the six later values t in scales,

    A <- f A + w x x',  b <- f b + w x t',  coefficients = (A + r I)^-1 b

with forgetting f and regularisation r, so that at any time the coefficients are those of the
closed form, and a series that stops teaching falls back to none. The covariance form (recursive
least squares) saves the solution of a small system but winds up where a feature is long silent
(Ljung and Gunnarsson, "Adaptation and tracking in system identification", 1990).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster.history import RECENT_MINUTES, Floats, HistoryView, Minutes
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES
from forecaster.rivals.features import Frame
from forecaster.rivals.interface import State

_HORIZONS: Final = len(HORIZONS_MINUTES)
_LATEST: Final = HORIZONS_MINUTES[-1]
#: Steps from an origin until its last horizon has come, and one more for the origin of now.
_SLOTS: Final = _LATEST // BUCKET_MINUTES + 1
#: A feature counts to so many scales: what is farther out is an outage or a burst.
_FEATURE_SCALES_MAX: Final = 8.0
#: Columns of the horizons 15, 15 and 30, and 5 and 30 minutes, where six would say the same.
_MIDDLE: Final = (2,)
_LATER: Final = (2, 5)
_ENDS: Final = (0, 5)
#: Of `Frame.near`: newest value, 0-2, 5-10, 10-15, 20-30, 45-60 and 90-120 minutes ago.
_NEAR: Final = (0, 1, 2, 3, 5, 7, 9)
_NEVER: Final = -(2**31)
_FAR: Final = 1e6
#: From so many scales off its usual level a series returns otherwise than from nearer.
_HINGE_SCALES: Final = 3.0


@dataclass(frozen=True, slots=True)
class RidgeSettings:
    """How the regression learns; chosen on the middle (55-70 %) of the development series.

    Attributes:
        forgetting_ratio: what a step keeps of earlier ones; 0.998 of five minutes halves in 29 h.
        regularisation: r above, in samples.
        clip_errors: an error beyond so many usual ones (their running mean) teaches only that much.
        weight_least_error: below this share of the usual error a sample weighs no more; weights
            fall with the error, as in iterated least squares for absolute errors.
        samples_min: it says nothing before it has learnt from so many.
    """

    forgetting_ratio: float = 0.998
    regularisation: float = 20.0
    clip_errors: float = 9.0
    weight_least_error: float = 0.3
    samples_min: int = 36


def ridge_features(frame: Frame) -> Floats:
    """Columns that all six horizons share, the first a one: (n, 39); what is absent is 0."""
    columns = [
        np.ones((len(frame.anchor), 1), dtype=np.float32),
        frame.near[:, _NEAR],
        frame.before,
        frame.follow,
        frame.above,
        frame.rise,
        frame.factor,
        frame.day_rise[:, _LATER],
        frame.week_rise[:, _LATER],
        frame.to_level[:, _MIDDLE],
        *_hinges(frame.to_level[:, _MIDDLE]),
        frame.after[:, _ENDS],
    ]
    stacked = np.nan_to_num(np.concatenate(columns, axis=1), nan=0.0, posinf=_FAR, neginf=-_FAR)
    clipped: Floats = np.clip(stacked, -_FEATURE_SCALES_MAX, _FEATURE_SCALES_MAX)
    return clipped


def _hinges(columns: Floats) -> tuple[Floats, Floats, Floats]:
    """Return parts of columns that bend the straight line at 0 and at three scales each way."""
    return (
        np.maximum(columns, 0),
        np.maximum(columns - _HINGE_SCALES, 0),
        np.minimum(columns + _HINGE_SCALES, 0),
    )


FEATURES: Final = 39


class Ridge:
    """The online regression of many series; its state is arrays, see `fresh`."""

    name: Final = "ridge"

    def __init__(self, settings: RidgeSettings = RidgeSettings()) -> None:
        self._settings: Final = settings

    def fresh(self, rows: int) -> State:
        """Return the state of series of which nothing is known.

        information (n, 39, 39) and moments (n, 39, 6) are A and b; error (n, 6) is the usual error
        in scales; samples (n,) is how many were learnt. The origins of the last half hour wait for
        what they forecast: features (n, 7, 39), anchors, scales (n, 7), drifts (n, 7, 6), minutes.
        """
        single = np.float32
        return {
            "information": np.zeros((rows, FEATURES, FEATURES), dtype=single),
            "moments": np.zeros((rows, FEATURES, _HORIZONS), dtype=single),
            "coefficients": np.zeros((rows, FEATURES, _HORIZONS), dtype=single),
            "error": np.ones((rows, _HORIZONS), dtype=single),
            "samples": np.zeros(rows, dtype=np.int32),
            "features": np.zeros((rows, _SLOTS, FEATURES), dtype=single),
            "anchors": np.full((rows, _SLOTS), np.nan, dtype=single),
            "scales": np.full((rows, _SLOTS), np.nan, dtype=single),
            "drifts": np.zeros((rows, _SLOTS, _HORIZONS), dtype=single),
            "minutes": np.full((rows, _SLOTS), _NEVER, dtype=np.int32),
        }

    def step(self, state: State, view: HistoryView) -> State:
        """Learn from the origins whose last horizon has come; remember the origin of now."""
        arrays = {name: values.copy() for name, values in state.items()}
        minutes = arrays["minutes"]
        age = view.minute - minutes.astype(np.int64)
        # Within two hours, the minutes that an origin forecast are still in the view.
        due = (age >= _LATEST) & (age <= RECENT_MINUTES - BUCKET_MINUTES)
        learnt = np.zeros(len(minutes), dtype=np.bool_)
        for slot in np.flatnonzero(due.any(axis=0)):
            learnt[self._learn(arrays, view, np.flatnonzero(due[:, slot]), int(slot))] = True
            minutes[due[:, slot], slot] = _NEVER
        self._solve(arrays, np.flatnonzero(learnt))
        _remember(arrays, view)
        return arrays

    def skip(self, state: State, minute: int) -> State:  # noqa: ARG002 - others look at the minute
        """Forget the origins that wait: what came of them was out of the ordinary."""
        return dict(state) | {"minutes": np.full_like(state["minutes"], _NEVER)}

    def medians(self, state: State, view: HistoryView) -> Floats:
        """Forecast requests/s: (n, 6); NaN until enough was learnt, or without a level."""
        frame = Frame.of(view)
        scales = frame.drift + np.einsum("nf,nfh->nh", ridge_features(frame), state["coefficients"])
        rates = frame.requests_per_second(scales)
        enough = state["samples"] >= self._settings.samples_min
        return np.where(enough[:, None], rates, np.float32(np.nan))

    def _learn(
        self, arrays: dict[str, npt.NDArray[Any]], view: HistoryView, rows: Minutes, slot: int
    ) -> Minutes:
        """Add one origin's sample to A and b where all of it is known; return those rows."""
        wanted = _targets(arrays, view, rows, slot)
        whole = np.isfinite(wanted).all(axis=1)
        rows, wanted = rows[whole], wanted[whole]
        settings = self._settings
        features = arrays["features"][rows, slot]
        usual = np.maximum(arrays["error"][rows], _ERROR_MIN)
        predicted = np.einsum("nf,nfh->nh", features, arrays["coefficients"][rows])
        error = wanted - predicted
        bounded = np.clip(error, -settings.clip_errors * usual, settings.clip_errors * usual)
        relative = np.abs(error).mean(axis=1) / usual.mean(axis=1)
        weighted = features / np.maximum(relative, settings.weight_least_error)[:, None]
        keep = np.float32(settings.forgetting_ratio)
        arrays["information"][rows] = (
            keep * arrays["information"][rows] + weighted[:, :, None] * features[:, None, :]
        )
        arrays["moments"][rows] = (
            keep * arrays["moments"][rows]
            + weighted[:, :, None] * (predicted + bounded)[:, None, :]
        )
        arrays["error"][rows] = usual + _ERROR_GAIN * (
            np.minimum(np.abs(error), _ERRORS_MAX * usual) - usual
        )
        arrays["samples"][rows] += 1
        return rows

    def _solve(self, arrays: dict[str, npt.NDArray[Any]], rows: Minutes) -> None:
        """Make the coefficients anew, some rows at a time to bound the memory."""
        penalty = self._settings.regularisation * np.eye(FEATURES)
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[first : first + _ROWS_AT_ONCE]
            system = arrays["information"][some].astype(np.float64) + penalty
            arrays["coefficients"][some] = np.linalg.solve(system, arrays["moments"][some])


_ERROR_GAIN: Final = np.float32(0.01)
_ERRORS_MAX: Final = np.float32(5)
#: In scales. Weeks in which nothing moves would shrink the usual error to nothing, and whatever
#: came then would be an outlier that teaches nothing.
_ERROR_MIN: Final = np.float32(0.05)
_ROWS_AT_ONCE: Final = 1024


def _targets(
    arrays: dict[str, npt.NDArray[Any]], view: HistoryView, rows: Minutes, slot: int
) -> Floats:
    """What came of origins, in scales and without the drift: (rows, 6)."""
    ago = view.minute - arrays["minutes"][rows, slot][:, None] - np.array(HORIZONS_MINUTES)
    came = np.take_along_axis(view.recent[rows], RECENT_MINUTES - 1 - ago, axis=1)
    distance = (came - arrays["anchors"][rows, slot, None]) / arrays["scales"][rows, slot, None]
    found: Floats = (distance - arrays["drifts"][rows, slot]).astype(np.float32)
    return found


def _remember(arrays: dict[str, npt.NDArray[Any]], view: HistoryView) -> None:
    """Keep the features of now until their horizons have come."""
    frame = Frame.of(view)
    slot = view.minute // BUCKET_MINUTES % _SLOTS
    arrays["features"][:, slot] = ridge_features(frame)
    arrays["anchors"][:, slot] = frame.anchor
    arrays["scales"][:, slot] = frame.scale
    arrays["drifts"][:, slot] = frame.drift
    arrays["minutes"][:, slot] = view.minute
