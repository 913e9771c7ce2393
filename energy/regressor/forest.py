"""The paper's random forest, as it ships: watts of a server at a load, from four figures.

Pratap et al., "Energy-Aware Load Balancing in Distributed Systems Using Machine Learning": a
StandardScaler and a RandomForestRegressor of 100 trees over cpus (cores), memory (GB), energy_rate
(peak watts here) and task_load (utilisation here, 0-1). `energy.regressor.forest_training` makes
the artefact from our measured table. No pickle is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from energy.errors import InputError
from energy.regressor.artefact import onnx_session, verified

SCHEMA_VERSION: Final = 1
NAME: Final = "paper-random-forest"
FEATURES: Final = ("cpus", "memory", "energy_rate", "task_load")
GRAPH_FILE: Final = "forest.onnx"
DESCRIPTION_FILE: Final = "forest.json"
FILES: Final = (GRAPH_FILE, DESCRIPTION_FILE)
_MEND: Final = "restore the shipped files, or make new ones with `negawatt energy train-forest`"

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forest:
    """A loaded forest. ``low`` and ``high`` are the range of each of `FEATURES` in training."""

    description: dict[str, Any]
    low: Floats
    high: Floats
    session: Any

    @classmethod
    def shipped(cls) -> Self:
        """Return the forest that travels with the package."""
        return cast("Self", _shipped())

    @classmethod
    def load(cls, directory: Traversable | Path) -> Self:
        """Load a forest from a directory, after checking it against its checksums."""
        contents = verified(directory, FILES)
        described = _described(contents[DESCRIPTION_FILE], f"{directory}/{DESCRIPTION_FILE}")
        return cls(
            description=described.model_dump(),
            low=np.array(described.feature_low),
            high=np.array(described.feature_high),
            session=onnx_session(contents[GRAPH_FILE], f"{directory}/{GRAPH_FILE}"),
        )

    def watts(self, features: Floats) -> Floats:
        """Watts at a load, from rows of `FEATURES`: (rows, 4) to (rows,).

        A figure outside the range of training counts as the range's end. Watts go on in proportion
        to the peak watts there: a forest alone would give each tiny server the smallest one's.
        """
        if not len(features):
            return np.empty(0)
        # The graph clips too; here it says how far out the peak watts are.
        inside = np.clip(features, self.low, self.high)
        found = np.asarray(self.session.run(None, {"features": inside})[0], dtype=np.float64)
        scaled: Floats = found[:, 0] * (features[:, 2] / inside[:, 2])
        return scaled

    def outside(self, features: Floats) -> Bools:
        """Which figures are outside the range of training: (rows, 4)."""
        found: Bools = (features < self.low) | (features > self.high)
        return found


class _Described(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    schema_version: int
    model: str
    feature_names: list[str]
    feature_low: list[float]
    feature_high: list[float]
    trees: int
    leaves_max: int
    training_servers: int


@lru_cache(maxsize=1)
def _shipped() -> Forest:
    return Forest.load(shipped_directory())


def shipped_directory() -> Traversable:
    """Return where the forest lies that travels with the package."""
    return resources.files("energy").joinpath("data", "forest")


def _described(content: bytes, where: str) -> _Described:
    try:
        described = _Described.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise InputError(f"{place}: {first['msg']}", where=where, mend=_MEND) from None
    width = len(FEATURES)
    if (
        described.schema_version != SCHEMA_VERSION
        or tuple(described.feature_names) != FEATURES
        or not len(described.feature_low) == len(described.feature_high) == width
    ):
        raise InputError("was made for other features than this version's", where=where, mend=_MEND)
    return described
