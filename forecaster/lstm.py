"""The network that is served: an ONNX graph that gives quantiles of a window's future."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from energy.errors import InputError
from forecaster.horizons import HORIZONS_MINUTES, MEDIAN_INDEX, QUANTILE_LEVELS
from forecaster.windows import SHAPES, Windows

OUTPUT: Final = "quantiles"
_FLOATS: Final = "tensor(float)"
_MEND: Final = "take the file that `negawatt forecaster train` wrote, or reinstall the package"

Floats = npt.NDArray[np.float32]


class Lstm:
    """The exported network. For one thread at a time; it computes on one core."""

    name: Final = "lstm"

    def __init__(self, path: Path) -> None:
        """Load the graph.

        Raises:
            InputError: there is no such file, it is no ONNX graph, or not one of ours.
        """
        import onnxruntime

        if not path.is_file():
            raise InputError("no such file", where=str(path), mend=_MEND)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its classes are private and derive from Exception alone
            raise InputError("is no network", where=str(path), mend=_MEND) from error
        wanted = {**SHAPES, OUTPUT: (len(HORIZONS_MINUTES), len(QUANTILE_LEVELS))}
        given = {each.name: each for each in self._session.get_inputs()}
        given |= {each.name: each for each in self._session.get_outputs()}
        if given.keys() != wanted.keys():
            names = ", ".join(sorted(given))
            raise InputError(f"is another network: it has {names}", where=str(path), mend=_MEND)
        for name, shape in wanted.items():
            if not _fits(given[name], shape):
                what = f"is another network: its {name} is {given[name].type} {given[name].shape}"
                raise InputError(what, where=str(path), mend=_MEND)

    def quantiles(self, windows: Windows) -> Floats:
        """Return requests/s of n windows by horizon and quantile: [n, 6, 5], never below 0.

        Rows are NaN where a window has no centre. Quantiles never cross.
        """
        shape = (len(windows.centre), len(HORIZONS_MINUTES), len(QUANTILE_LEVELS))
        if not shape[0]:
            return np.empty(shape, dtype=np.float32)
        (relative,) = self._session.run([OUTPUT], windows.inputs())
        scale, centre = windows.scale[:, None, None], windows.centre[:, None, None]
        given = np.maximum(np.asarray(relative).reshape(shape) * scale + centre, np.float32(0))
        return np.asarray(given, dtype=np.float32)

    def medians(self, windows: Windows) -> Floats:
        """Return the medians alone: [n, 6]."""
        return self.quantiles(windows)[:, :, MEDIAN_INDEX]


def _fits(given: Any, shape: tuple[int, ...]) -> bool:  # noqa: ANN401 - onnxruntime has no types
    """Whether an input or output is of 32-bit floats, any number of rows of this shape."""
    rows, *rest = given.shape or [None]
    return given.type == _FLOATS and not isinstance(rows, int) and rest == list(shape)
