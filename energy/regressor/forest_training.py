"""Fits the paper's forest on our measured table, small enough to ship.

The pipeline is the candidate `paper-random-forest` with one limit: a tree keeps its best 511
leaves. Grown out it would be six times as large. Needs the extra `energy-training`. Deterministic.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from typing import Any, Final

from energy.regressor.candidates import PAPER, TREES, PaperPipeline
from energy.regressor.export import forest_graph
from energy.regressor.facts import facts_of
from energy.regressor.forest import DESCRIPTION_FILE, FEATURES, GRAPH_FILE, SCHEMA_VERSION
from energy.regressor.scores import Score
from energy.regressor.validation import cross_validate
from energy.servers import CatalogueServer

LEAVES_MAX: Final = 511
_VERSIONED: Final = ("scikit-learn", "numpy", "onnx", "skl2onnx")


def cross_validated(servers: Sequence[CatalogueServer]) -> Score:
    """How well it predicts CPU models that it has not seen, in ten folds."""
    return cross_validate({PAPER: lambda: PaperPipeline(LEAVES_MAX)}, servers).scores[PAPER]


def train_forest(servers: Sequence[CatalogueServer], score: Score) -> dict[str, bytes]:
    """The artefact's files but their checksums; ``score`` is written into the description."""
    model = PaperPipeline(LEAVES_MAX).fit(servers)
    rows = model.rows([facts_of(server) for server in servers])
    low, high = rows.min(axis=0), rows.max(axis=0)
    description: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "model": PAPER,
        "training_table": "energy/data/specpower_servers.csv",
        "training_servers": len(servers),
        "feature_names": list(FEATURES),
        "feature_low": low.tolist(),
        "feature_high": high.tolist(),
        "feature_importances": {name: _short(each) for name, each in model.importances.items()},
        "trees": TREES,
        "leaves_max": LEAVES_MAX,
        "cross_validated": {name: _short(each) for name, each in asdict(score).items()},
        "made_with": {name: metadata.version(name) for name in _VERSIONED},
    }
    graph = forest_graph(model.pipeline, low, high)
    return {
        GRAPH_FILE: graph.SerializeToString(deterministic=True),
        DESCRIPTION_FILE: (json.dumps(description, indent=1) + "\n").encode(),
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
