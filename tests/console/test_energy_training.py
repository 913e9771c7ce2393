"""`negawatt energy train`, `evaluate --cross-validate` and `report`, run in earnest once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from command_line import negawatt
from light_gbm import without_light_gbm

from energy.catalogue import Catalogue
from energy.regressor import validation
from energy.regressor.artefact import Regressor, verified

pytest.importorskip("sklearn", reason="the extra `energy-training` is not installed")
pytestmark = without_light_gbm

GENERATED = Path(__file__).parents[2] / "docs/reference/energy-regressor.md"


@pytest.fixture(scope="module", autouse=True)
def retrained_once() -> Iterator[None]:
    """Let the three commands share what each model predicts when it is retrained in ten folds.

    They would retrain the same models on the same servers, from the same seeds.
    """
    kept: dict[tuple[str, int, bool], np.ndarray] = {}
    predict = validation.cross_predict

    def cross_predict(models, servers, *, blind=False, progress=lambda _: None):
        keys = {name: (name, len(servers), blind) for name in models}
        new = {name: make for name, make in models.items() if keys[name] not in kept}
        found = predict(new, servers, blind=blind, progress=progress) if new else {}
        kept.update({keys[name]: watts for name, watts in found.items()})
        return {name: kept[key].copy() for name, key in keys.items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "cross_predict", cross_predict)
        page = import_module("console.commands.energy.report")  # the package names its function so
        patch.setattr(page, "cross_predict", cross_predict)
        yield


@pytest.mark.slow
def test_training_writes_a_whole_artefact_and_chooses_what_ships(tmp_path: Path) -> None:
    """The command that made the shipped artefact chooses the same model again."""
    done = negawatt("energy", "train", "--into", tmp_path / "artefact", "--output", "json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert answer["shipped"] == Regressor.shipped().name
    assert verified(tmp_path / "artefact")
    assert Regressor.load(tmp_path / "artefact").name == answer["shipped"]


@pytest.mark.slow
def test_cross_validation_scores_every_model_in_one_table() -> None:
    """Ours, the paper's, tree, vectors, boosting, net, line: retrained by CPU model."""
    answer = json.loads(
        negawatt("energy", "evaluate", "--cross-validate", "--output", "json").stdout
    )
    models = answer["models"]
    assert (answer["servers"], answer["excluded"]) == (len(Catalogue.shipped().servers), 0)
    assert {
        "linear", "paper-random-forest", "decision-tree", "support-vectors", "gradient-boosting",
        "neural-net", answer["shipped"],
    } <= set(models)  # fmt: skip
    regrets = {name: each["placement_regret_ratio"] for name, each in models.items()}
    assert regrets[answer["shipped"]] <= regrets["linear"] / 3
    assert models[answer["shipped"]]["mape_ratio_median"] <= 0.03
    recorded = Regressor.shipped().description["cross_validated"]
    for name in ("linear", "extra-trees", answer["shipped"]):
        assert models[name] == pytest.approx(recorded[name], rel=0.02)


@pytest.mark.slow
def test_the_generated_page_is_what_the_command_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words and headings are the same; figures are not compared, so one shuffle will do."""
    monkeypatch.setattr("energy.regressor.importance.REPEATS", 1)
    done = negawatt("energy", "report", "--into", tmp_path)
    page = (tmp_path / GENERATED.name).read_text(encoding="utf-8")
    assert done.returncode == 0
    assert _without_figures(page) == _without_figures(GENERATED.read_text(encoding="utf-8"))
    plots = {each.name for each in tmp_path.glob("*.svg")}
    assert plots == {each.name for each in GENERATED.parent.glob("energy-regressor-*.svg")}


def _without_figures(page: str) -> set[str]:
    lines = ("".join(sign for sign in line if not sign.isdigit()) for line in page.splitlines())
    # Importances are sorted, so their order may change with the last digit.
    return set(lines)
