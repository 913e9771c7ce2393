"""Chooses the model that ships, fits it on every server of our table and writes the artefact.

Deterministic: fixed seeds, one thread, no optimiser with a random start among the models that are
likely to win. Training again on the same versions gives the same predictions.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from energy.errors import UnavailableError
from energy.regressor.artefact import (
    CHECKSUM_FILE,
    DESCRIPTION_FILE,
    LEVELS_FILE,
    SCHEMA_VERSION,
    SHAPE_FILE,
    checksum_lines,
)
from energy.regressor.candidates import CANDIDATES, LINEAR, PAPER, ShapeModel
from energy.regressor.export import levels_graph, shape_graph
from energy.regressor.features import FEATURE_NAMES
from energy.regressor.scores import as_json
from energy.regressor.selection import Choice, choose
from energy.regressor.validation import Evaluation, Progress, cross_validate
from energy.servers import CatalogueServer

#: Models that need no artefact or predict no shape; they stand in the table to be compared with.
BASELINES: Final = frozenset({LINEAR, PAPER})
_VERSIONED: Final = ("scikit-learn", "lightgbm", "numpy", "onnx", "skl2onnx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """An artefact in memory: its choice, the table it was chosen from and its files."""

    choice: Choice
    evaluation: Evaluation
    contents: Mapping[str, bytes]


def select(servers: Sequence[CatalogueServer], progress: Progress) -> tuple[Choice, Evaluation]:
    """Cross-validate all candidates by CPU model and choose the one that ships."""
    evaluation = cross_validate(CANDIDATES, servers, progress=progress)
    shippable = {name: score for name, score in evaluation.scores.items() if name not in BASELINES}
    return choose(shippable), evaluation


def train(servers: Sequence[CatalogueServer], progress: Progress = lambda _: None) -> Trained:
    """Choose a model and fit it on all servers."""
    choice, evaluation = select(servers, progress)
    progress(f"fitting {choice.name}")
    graphs = fit_graphs(choice.name, servers)
    description = _description(choice, evaluation, servers)
    text = json.dumps(description, indent=1, ensure_ascii=True) + "\n"
    contents = {**graphs, DESCRIPTION_FILE: text.encode()}
    return Trained(choice=choice, evaluation=evaluation, contents=contents)


def fit_graphs(name: str, servers: Sequence[CatalogueServer]) -> dict[str, bytes]:
    """Fit a candidate on all servers and return its graphs as files."""
    model = CANDIDATES[name]().fit(servers)
    if not isinstance(model, ShapeModel):
        raise TypeError(f"{name} predicts no shape")
    return {
        SHAPE_FILE: shape_graph(model).SerializeToString(deterministic=True),
        LEVELS_FILE: levels_graph(model.levels).SerializeToString(deterministic=True),
    }


def write(trained: Trained, directory: Path) -> None:
    """Write an artefact's files, each whole or not at all, its checksums last."""
    write_files(trained.contents, directory)


def write_files(contents: Mapping[str, bytes], directory: Path) -> None:
    """Write files and their checksums, each whole or not at all, the checksums last."""
    files = {**contents, CHECKSUM_FILE: checksum_lines(dict(contents)).encode()}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".new-") as staging:
            for name, content in files.items():
                (Path(staging) / name).write_bytes(content)
            for name in files:
                os.replace(Path(staging) / name, directory / name)  # noqa: PTH105 - atomic on POSIX
    except OSError as error:
        reason = (error.strerror or "cannot be written").lower()
        raise UnavailableError(
            reason, where=str(directory), mend="give a directory that can be written to"
        ) from None


def _rounded(evaluation: Evaluation) -> dict[str, dict[str, float | None]]:
    return {
        name: {
            figure: None if value is None else float(f"{value:.4g}")
            for figure, value in each.items()
        }
        for name, each in as_json(evaluation.scores).items()
    }


def _description(
    choice: Choice, evaluation: Evaluation, servers: Sequence[CatalogueServer]
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "model": choice.name,
        "reason": choice.reason,
        "training_table": "energy/data/specpower_servers.csv",
        "training_servers": len(servers),
        "training_cpu_models": sorted({server.cpu_key for server in servers}),
        "feature_names": list(FEATURE_NAMES),
        "cross_validated": _rounded(evaluation),
        "made_with": {name: metadata.version(name) for name in _VERSIONED},
    }
