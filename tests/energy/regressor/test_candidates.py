"""Every candidate learns, predicts from facts alone, and means the same as an ONNX graph."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from energy.catalogue import Catalogue
from energy.regressor.facts import facts_of
from energy.regressor.features import curves_of, feature_matrix, size_matrix

pytest.importorskip("sklearn", reason="the extra `energy-training` is not installed")

import onnxruntime
from light_gbm import without_light_gbm

from energy.errors import UnavailableError
from energy.regressor.candidates import (
    CANDIDATES,
    LINEAR,
    PaperPipeline,
    ShapeModel,
    light_gbm,
)
from energy.regressor.export import levels_graph, shape_graph
from energy.regressor.scores import mape_ratio
from energy.regressor.validation import facts_to_predict, validate_forward

SERVERS = list(Catalogue.shipped().servers.values())
TRAIN, TEST = SERVERS[::4], SERVERS[1::8]
NAMES = [
    pytest.param(name, marks=without_light_gbm) if name == "gradient-boosting" else name
    for name in CANDIDATES
]
SHAPES = NAMES[2:]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("blind", [False, True])
def test_every_candidate_predicts_positive_watts_from_facts(name: str, *, blind: bool) -> None:
    """With idle and peak known and without."""
    model = CANDIDATES[name]().fit(TRAIN)
    predicted = model.predict(facts_to_predict(TEST, blind=blind))
    assert predicted.shape == (len(TEST), 11)
    assert (predicted > 0).all()


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_model_beats_the_straight_line(name: str) -> None:
    """On servers that it has not seen (their CPU models it may have)."""
    facts, measured = facts_to_predict(TEST, blind=False), curves_of(TEST)
    line = mape_ratio(measured, CANDIDATES[LINEAR]().fit(TRAIN).predict(facts))
    ours = mape_ratio(measured, CANDIDATES[name]().fit(TRAIN).predict(facts))
    assert np.median(ours) < 0.7 * np.median(line)


@pytest.mark.parametrize("name", SHAPES)
def test_an_exported_graph_says_what_the_estimator_says(name: str) -> None:
    """To a thousandth of the span, beyond the range of training too."""
    model = CANDIDATES[name]().fit(TRAIN)
    assert isinstance(model, ShapeModel)
    facts = [facts_of(server) for server in TEST]
    features = feature_matrix(facts, model.levels.watts(facts))
    features[0] *= 3
    session = onnxruntime.InferenceSession(
        shape_graph(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (exported,) = session.run(None, {"features": features})
    assert exported == pytest.approx(model.shapes(features), abs=1e-3)


def test_the_exported_blind_model_says_what_the_estimator_says() -> None:
    """Idle and peak from sizes."""
    levels = CANDIDATES[LINEAR]().fit(TRAIN).levels  # type: ignore[attr-defined]
    graph = levels_graph(levels)
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    sizes = size_matrix([facts_of(server) for server in TEST])
    inside = np.clip(sizes, levels.low, levels.high)
    (exported,) = session.run(None, {"features": sizes})
    assert exported == pytest.approx(levels.estimator.predict(inside), abs=1e-4)


def test_the_papers_pipeline_has_the_papers_four_features() -> None:
    """cpus, memory, energy_rate, task_load; importances are shares of one."""
    importances = PaperPipeline().fit(TRAIN).importances
    assert list(importances) == ["cpus", "memory", "energy_rate", "task_load"]
    assert sum(importances.values()) == pytest.approx(1)


def test_forward_validation_trains_on_no_cpu_model_that_it_tests() -> None:
    """Two results date a CPU years before it was sold; they are left out of training."""
    seen: list[str] = []

    class Spy:
        def fit(self, servers: list) -> Spy:
            seen.extend(server.cpu_key for server in servers)
            return self

        def predict(self, facts: list) -> np.ndarray:
            return np.ones((len(facts), 11))

    evaluation = validate_forward({"spy": Spy}, SERVERS, train_until_year=2015, test_from_year=2017)
    tested = {server.cpu_key for server in SERVERS if server.hardware_year >= 2017}
    assert tested.isdisjoint(seen)
    assert (evaluation.servers, evaluation.excluded) == (88, 2)


@pytest.mark.parametrize(
    ("body", "mend"),
    [
        ("raise OSError('libgomp.so.1: cannot open shared object file: x')", "libgomp1"),
        ("import absent_library_of_lightgbm", "energy-training"),
    ],
)
def test_a_light_gbm_that_cannot_be_loaded_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, mend: str
) -> None:
    """Its wheel needs a system library; only the candidate that uses it fails, and says so."""
    (tmp_path / "lightgbm.py").write_text(f"{body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    with pytest.raises(UnavailableError, match=mend) as caught:
        CANDIDATES["gradient-boosting"]().fit(TRAIN)
    assert "\n" not in str(caught.value)
    with pytest.raises(UnavailableError, match=mend):
        light_gbm()
    assert CANDIDATES["extra-trees"]().fit(TRAIN)
