"""LightGBM: one global model for all series, served as an ONNX graph on onnxruntime.

`forecaster.training.tabular` makes the graph. It predicts what the drift-corrected season leaves,
in scales, so that it says something sensible of series that it has never seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from energy.errors import InputError, UnavailableError
from forecaster.history import Floats, HistoryView
from forecaster.horizons import HORIZONS_MINUTES
from forecaster.rivals.features import Frame

GRAPH_FILE: Final = "lightgbm.onnx"
INPUT: Final = "features"
FEATURES: Final = 30
#: A forecast farther from the season than so many scales is none.
_SCALES_MAX: Final = 100.0
#: Series at once: 12,288 rows keep the trees' inputs in the cache and the memory small.
_ROWS_AT_ONCE: Final = 2048


def boosting_features(frame: Frame) -> Floats:
    """One row per series and horizon: (n, 6, 30); NaN where absent."""
    series = len(frame.anchor)
    shared = [frame.near, frame.extremes, frame.noise, frame.before, frame.follow]
    wide = np.concatenate(shared, axis=1)
    minutes = np.broadcast_to(np.array(HORIZONS_MINUTES, dtype=np.float32), frame.rise.shape)
    own = (
        *(minutes, frame.rise, frame.factor, frame.rise_mean, frame.rise_deviation),
        *(frame.after, frame.rise_max, frame.rise_min, frame.drift),
        *(frame.day_rise, frame.week_rise),
    )
    repeated = np.broadcast_to(wide[:, None], (series, len(HORIZONS_MINUTES), wide.shape[1]))
    stacked: Floats = np.concatenate([repeated, np.stack(own, axis=2)], axis=2, dtype=np.float32)
    return stacked


class Boosting:
    """The served graph; one thread, as the process serves many series beside other work."""

    name: Final = "lightgbm"

    def __init__(self, session: Any) -> None:  # noqa: ANN401 - onnxruntime ships no types
        self._session: Final = session

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a graph.

        Raises:
            InputError: the file is absent or no graph with our features.
            UnavailableError: onnxruntime is not installed.
        """
        return cls(_session(path))

    def medians(self, view: HistoryView) -> Floats:
        """Forecast requests/s: (n, 6); NaN without a level or a scale."""
        found = [
            self._some(HistoryView(view.minute, view.recent[rows], view.past[rows]))
            for first in range(0, len(view.past), _ROWS_AT_ONCE)
            for rows in [slice(first, first + _ROWS_AT_ONCE)]
        ]
        return np.concatenate(found) if found else np.empty((0, len(HORIZONS_MINUTES)), np.float32)

    def _some(self, view: HistoryView) -> Floats:
        frame = Frame.of(view)
        rows = boosting_features(frame).reshape(-1, FEATURES)
        left = self._session.run(None, {INPUT: rows})[0].reshape(frame.drift.shape)
        return frame.requests_per_second(frame.drift + np.clip(left, -_SCALES_MAX, _SCALES_MAX))


def _session(path: Path) -> Any:  # noqa: ANN401 - onnxruntime ships no types
    mend = "restore the shipped models, or train new ones with `negawatt forecaster train`"
    if not path.is_file():
        raise InputError("there is no such model", where=str(path), mend=mend)
    try:
        import onnxruntime
    except ImportError:
        raise UnavailableError(
            "the forecaster needs onnxruntime", mend="install negawatt with the extra `forecaster`"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # noqa: BLE001 - its errors have no common base
        line = str(error).splitlines()[0]
        raise InputError(f"is no usable ONNX graph ({line})", where=str(path), mend=mend) from None
    inputs = [(each.name, each.shape[-1]) for each in session.get_inputs()]
    if inputs != [(INPUT, FEATURES)]:
        raise InputError(f"this model takes other features: {inputs}", where=str(path), mend=mend)
    return session
