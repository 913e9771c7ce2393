"""Loads the shipped regressor: two ONNX graphs and their description, checked before use.

No pickle is ever loaded. `SHA256SUMS` covers the three other files; where one does not match it,
nothing is loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, Self, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from energy.errors import InputError, UnavailableError
from energy.power_curve import LOAD_LEVELS, PowerCurve
from energy.regressor.facts import ServerFacts
from energy.regressor.features import (
    FEATURE_NAMES,
    Matrix,
    feature_matrix,
    known_levels,
    size_matrix,
    straight_lines,
    watts_of_shapes,
)

SCHEMA_VERSION: Final = 1
SHAPE_FILE: Final = "shape.onnx"
LEVELS_FILE: Final = "levels.onnx"
DESCRIPTION_FILE: Final = "regressor.json"
CHECKSUM_FILE: Final = "SHA256SUMS"
FILES: Final = (SHAPE_FILE, LEVELS_FILE, DESCRIPTION_FILE)
_TRAIN_AGAIN: Final = "restore the shipped files, or make new ones with `negawatt energy train`"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Regressor:
    """A loaded artefact: predicts power curves from facts."""

    name: str
    description: dict[str, Any]
    training_cpu_models: tuple[str, ...]
    shape_session: Any
    levels_session: Any

    @classmethod
    def shipped(cls) -> Self:
        """Return the artefact that travels with the package."""
        return cast("Self", _shipped())

    @classmethod
    def load(cls, directory: Traversable | Path) -> Self:
        """Load an artefact from a directory, after checking it against its checksums."""
        contents = verified(directory)
        described, description = _description(contents[DESCRIPTION_FILE], str(directory))
        return cls(
            name=described.model,
            description=description,
            training_cpu_models=tuple(described.training_cpu_models),
            shape_session=onnx_session(contents[SHAPE_FILE], f"{directory}/{SHAPE_FILE}"),
            levels_session=onnx_session(contents[LEVELS_FILE], f"{directory}/{LEVELS_FILE}"),
        )

    def levels(self, facts: Sequence[ServerFacts]) -> Matrix:
        """Idle and peak watts, predicted where they are unknown: (servers, 2)."""
        if all(each.idle_watts and each.peak_watts for each in facts):
            return known_levels(facts, None)
        predicted = _run(self.levels_session, size_matrix(facts))
        return known_levels(facts, predicted)

    def predict(self, facts: Sequence[ServerFacts]) -> Matrix:
        """Watts at the eleven load levels: (servers, 11)."""
        if not facts:
            return np.empty((0, len(LOAD_LEVELS)))
        levels = self.levels(facts)
        shapes = _run(self.shape_session, feature_matrix(facts, levels))
        return watts_of_shapes(shapes, levels)

    def predict_linear(self, facts: Sequence[ServerFacts]) -> Matrix:
        """Straight lines between the same idle and peak watts: (servers, 11)."""
        levels = self.levels(facts)
        return straight_lines(levels)

    def curve(self, facts: ServerFacts) -> PowerCurve:
        """Return the power curve of one server."""
        return PowerCurve.from_load_levels([float(watts) for watts in self.predict([facts])[0]])


@lru_cache(maxsize=1)
def _shipped() -> Regressor:
    return Regressor.load(shipped_directory())


def shipped_directory() -> Traversable:
    """Return where the artefact lies that travels with the package."""
    return resources.files("energy").joinpath("data", "regressor")


def verified(directory: Traversable | Path, files: Sequence[str] = FILES) -> dict[str, bytes]:
    """Return the contents of an artefact's files, or say in one line which of them is not."""
    listed = _read(directory, CHECKSUM_FILE).decode("ascii", "replace")
    sums = _checksums(listed, directory, files)
    contents = {name: _read(directory, name) for name in files}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != sums.get(name):
            raise InputError(
                f"does not match its checksum in {CHECKSUM_FILE}; it is not loaded",
                where=f"{directory}/{name}",
                mend=_TRAIN_AGAIN,
            )
    return contents


def checksum_lines(contents: dict[str, bytes]) -> str:
    """Return checksums as `sha256sum --check` reads them."""
    return "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items()
    )


def _checksums(text: str, directory: Traversable | Path, files: Sequence[str]) -> dict[str, str]:
    sums: dict[str, str] = {}
    for line in text.splitlines():
        digest, _, name = line.partition("  ")
        sums[name] = digest
    if set(sums) != set(files):
        raise InputError(
            f"does not list exactly {', '.join(files)}",
            where=f"{directory}/{CHECKSUM_FILE}",
            mend=_TRAIN_AGAIN,
        )
    return sums


def _read(directory: Traversable | Path, name: str) -> bytes:
    try:
        return directory.joinpath(name).read_bytes()
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise UnavailableError(reason, where=f"{directory}/{name}", mend=_TRAIN_AGAIN) from None


class _Description(BaseModel):
    """What loading needs of an artefact's description; there may be more in it."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    schema_version: int
    model: str = Field(min_length=1)
    training_cpu_models: list[str] = Field(min_length=1)
    feature_names: list[str]


def _description(content: bytes, directory: str) -> tuple[_Description, dict[str, Any]]:
    where = f"{directory}/{DESCRIPTION_FILE}"
    try:
        described = _Description.model_validate_json(content)
        everything = json.loads(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise InputError(f"{place}: {first['msg']}", where=where, mend=_TRAIN_AGAIN) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON: {error}", where=where, mend=_TRAIN_AGAIN) from None
    if (described.schema_version, tuple(described.feature_names)) != (
        SCHEMA_VERSION,
        FEATURE_NAMES,
    ):
        raise InputError(
            "was made for other features than this version's", where=where, mend=_TRAIN_AGAIN
        )
    return described, everything


def onnx_session(content: bytes, where: str) -> Any:  # noqa: ANN401 - onnxruntime is untyped
    """Make one thread's session of a graph.

    Raises:
        UnavailableError: onnxruntime is not installed.
        InputError: the bytes are no graph that it can run.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UnavailableError(
            "the energy regressor needs onnxruntime",
            mend="install negawatt with the extra `regressor`",
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            content, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # noqa: BLE001 - its errors have no common base
        line = str(error).splitlines()[0]
        raise InputError(f"is no usable ONNX graph ({line})", where=where) from None


def _run(session: Any, features: Matrix) -> Matrix:  # noqa: ANN401 - onnxruntime is untyped
    return np.asarray(session.run(None, {"features": features})[0])
