"""Training, exporting, tuning and searching, on networks so small that seconds suffice."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from notebook_cells import run_notebook
from typer.testing import CliRunner

from console.cli import app
from energy.errors import InputError
from forecaster.history import History
from forecaster.horizons import QUANTILE_LEVELS
from forecaster.lstm import Lstm
from forecaster.model_set import ModelSet
from forecaster.training.dataset import Examples, examples_at
from forecaster.training.draws import DrawSettings
from forecaster.training.series import TrainingSeries
from forecaster.training.synthetic import synthetic_series

pytestmark = [
    pytest.mark.tensorflow,
    # TensorFlow's word on the fixture below.
    pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions"),
]

DAY_MINUTES = 1440


def a_series(name: str = "made-up", seed: int = 2, hours: int = 36) -> TrainingSeries:
    """Some hours of made-up traffic."""
    values = synthetic_series(np.random.default_rng(seed), -(-hours // 24))[: 60 * hours]
    return TrainingSeries.cleaned(name, 27_000_000, values)


def some_examples(count: int = 200) -> Examples:
    """Windows of all ages, some with outages among the targets."""
    series = a_series()
    places = series.part(0.2, 0.9)[:: 1500 // count][:count]
    ages = np.where(np.arange(len(places)) % 3, 10**6, 60)
    return examples_at(series, places, ages_minutes=ages)


def a_plan():
    """The smallest training: one step an epoch."""
    from forecaster.training.fit import FitSettings
    from forecaster.training.network import Shape
    from forecaster.training.training import TrainingPlan

    fit = FitSettings(Shape(6, 8), epochs_max=2, real_rows=64, synthetic_rows=32, batch_rows=96)
    draws = DrawSettings(origins_max=100, synthetic_series=1, synthetic_origins=40)
    return TrainingPlan(fit, replace(draws, synthetic_days=2))


@pytest.fixture(scope="module", autouse=True)
def _eagerly():
    """Compiling a graph takes longer than these few steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(run_eagerly=True)
    yield
    tf.config.run_functions_eagerly(run_eagerly=False)


@pytest.fixture(scope="module")
def trained():
    """Two small networks, the second as it is made."""
    from forecaster.training.network import build
    from forecaster.training.training import train

    found = train([a_series(), a_series("other", 3)], a_plan(), seed=1)
    return replace(found, models=(*found.models, build(found.plan.fit.shape)))


def test_the_same_seed_gives_the_same_weights(trained) -> None:
    """And another seed others."""
    from forecaster.training.draws import synthetic_examples
    from forecaster.training.training import judge

    series = [a_series(), a_series("other", 3)]
    synthetic = synthetic_examples(trained.plan.draws, np.random.default_rng([1, 0]))

    again = judge(series, trained.plan, 1, synthetic)

    assert again.epochs == trained.judged.epochs
    other = judge(series, trained.plan, 2, synthetic)
    networks = (again.model, trained.judged.model, other.model)
    weights = [each.get_weights() for each in networks]
    for one, two, three in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, three)


def test_keras_and_the_exported_graph_agree(trained, tmp_path: Path) -> None:
    """One network, and the mean of two; with the masks of young series, and rows of nothing."""
    import onnxruntime

    from forecaster.training.export import export
    from forecaster.training.fit import predict

    examples = some_examples()
    for row, name in enumerate(examples.inputs):
        examples.inputs[name][row] = 0
    for models in (trained.models[:1], trained.models):
        export(models, tmp_path / "lstm.onnx")
        Lstm(tmp_path / "lstm.onnx")
        session = onnxruntime.InferenceSession((tmp_path / "lstm.onnx").read_bytes())
        (served,) = session.run(["quantiles"], examples.inputs)
        expected = np.mean([predict(model, examples) for model in models], axis=0)

        np.testing.assert_allclose(served, expected, atol=1e-4)
        assert served.shape == (len(examples), 6, len(QUANTILE_LEVELS))
        assert (np.diff(served, axis=-1) >= 0).all()


def test_networks_come_back_from_the_graph(trained, tmp_path: Path) -> None:
    """So that shipped ones can be tuned."""
    from forecaster.training.export import export, networks_of

    export(trained.models, tmp_path / "lstm.onnx")

    for model, back in zip(trained.models, networks_of(tmp_path / "lstm.onnx"), strict=True):
        for one, two in zip(model.get_weights(), back.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
    with pytest.raises(InputError, match="no network of ours"):
        networks_of(Path(__file__))


def test_the_loss_counts_the_median_more_and_outages_not_at_all() -> None:
    """Held against the definition."""
    from forecaster.training.network import pinball

    targets = np.array([[1.0, np.nan, 2.0, 3.0, 4.0, 5.0]], dtype=np.float32)
    quantiles = np.sort(np.random.default_rng(1).normal(2, 1, (1, 6, 5)).astype(np.float32))
    levels, weights = np.array(QUANTILE_LEVELS), np.array([1, 1, 3, 1, 1])
    above = targets[..., None] - quantiles
    each = np.maximum(levels * above, (levels - 1) * above) * weights

    loss = float(pinball(3.0)(targets, quantiles))

    assert loss == pytest.approx(np.nansum(each) / (5 + 1), rel=1e-5)


def test_a_tuned_network_is_kept_only_where_it_is_better(trained) -> None:
    """And what is told apart is told by the part held back."""
    from forecaster.training.export import to_onnx
    from forecaster.training.fine_tune import TuningSettings, fine_tune

    models = trained.models[:1]
    before = to_onnx(models)
    one_step = TuningSettings(epochs=1, epoch_rows=256)
    memory = trained.models[0].get_layer("memory").get_weights()[0].copy()

    wild = fine_tune(models, a_series(), 1, replace(one_step, learning_rate=9.0))
    assert not wild.kept
    assert to_onnx(wild.models) == before

    tuned = fine_tune(models, a_series(), 1, one_step)
    assert tuned.kept == (tuned.after_ratio < tuned.before_ratio)
    assert (to_onnx(tuned.models) == before) != tuned.kept
    np.testing.assert_array_equal(memory, trained.models[0].get_layer("memory").get_weights()[0])


def test_a_search_ends_with_its_budget_and_never_makes_it_worse() -> None:
    """The settings that were there are the first trial; time is given."""
    from forecaster.training.network import Shape
    from forecaster.training.search import search

    clock = iter(range(100))
    plan = a_plan()
    plan = replace(
        plan, fit=replace(plan.fit, shape=Shape(32, 32, 0.1), epochs_max=1, synthetic_rows=2048)
    )
    found = search([a_series()], plan, 1, 4.0, lambda: float(next(clock)))

    reached = [each.relative_mae_ratio for each in found.trials if each.relative_mae_ratio]
    assert 2 <= len(found.trials) <= 5
    assert found.trials[0].settings["recurrent"] == 32
    assert found.trials[0].relative_mae_ratio is not None
    best = min(found.trials, key=lambda each: each.relative_mae_ratio or np.inf)
    assert best.relative_mae_ratio == min(reached)
    assert found.plan.fit.shape.recurrent == best.settings["recurrent"]


def test_the_notebook_that_trains_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As users train, in compiled steps; and the graph says what the network says."""
    import tensorflow as tf

    pytest.importorskip("nbformat")
    monkeypatch.setenv("NEGAWATT_NOTEBOOK_HOURS", "12")
    tf.config.run_functions_eagerly(run_eagerly=False)
    try:
        names = run_notebook("forecaster-training")
    finally:
        tf.config.run_functions_eagerly(run_eagerly=True)
    assert names["difference"] < 1e-4


def test_retraining_beside_the_service_leaves_a_set_of_models(tmp_path: Path, capsys) -> None:
    """From what an engine keeps; and says in a line and by its exit code what is in the way."""
    from forecaster.training.__main__ import BAD_INPUT, TOO_LITTLE, main

    history = History(1)
    values = np.nan_to_num(synthetic_series(np.random.default_rng(1), 2), nan=9.0)[:2400]
    history.put_block(0, np.arange(27_000_000, 27_002_400), values)
    arrays = {f"history.{name}": each for name, each in history.rows(np.arange(1)).items()}
    np.savez(tmp_path / "history.npz", keys=np.array(["a/Deployment/b"]), **arrays)
    empty = {name: each[:0] for name, each in arrays.items()}
    np.savez(tmp_path / "empty.npz", keys=np.array([], dtype=np.str_), **empty)
    options = ["--out", str(tmp_path / "models"), "--epochs", "1", "--synthetic-series", "0"]
    options += ["--trees", "3"]

    assert main(["--history", str(tmp_path / "history.npz"), *options]) == 0
    models = ModelSet.load(tmp_path / "models")
    assert set(models.description["trained_on"]["series"]) == {"a/Deployment/b"}
    assert models.boosting is not None
    assert models.description["trees"]["rounds"] == 3
    for member in ("lstm", "lightgbm"):
        assert models.description["validation"][member]["relative_mae_ratio"] > 0
    capsys.readouterr()
    assert main(["--history", str(tmp_path / "empty.npz"), *options]) == TOO_LITTLE
    assert capsys.readouterr().err == "no series has 36 hours of history\n"
    assert main(["--history", str(tmp_path / "none.npz"), *options]) == BAD_INPUT
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_trains_without_each_series_and_tells_of_it(tmp_path: Path) -> None:
    """A folder that the evaluation takes, a report, and a card."""
    files = []
    for place, name in enumerate(("one", "two")):
        series = a_series(name, place, 7)
        rows = [f"{60 * minute},{value}\n" for minute, value in enumerate(series.values)]
        files.append(tmp_path / f"{name}.csv")
        files[-1].write_text("timestamp,value\n" + "".join(rows))
    into, page = tmp_path / "models", tmp_path / "report.html"
    options = ["--into", str(into), "--epochs", "1", "--synthetic-series", "0", "--members", "1"]
    options += ["--trees", "2", "--leave-one-out", "--output", "json", "--report", str(page)]

    answer = CliRunner().invoke(app, ["forecaster", "train", *map(str, files), *options])

    assert answer.exit_code == 0, answer.output
    models = json.loads(answer.stdout)["models"]
    assert models == ModelSet.load(into).description
    assert models["trees"]["seed"] == models["seed"] == 1
    for validation in models["validation"].values():
        assert set(validation["zero_shot"]) == set(validation["series"]) == {"one", "two"}
        assert None not in validation["zero_shot"].values()
    without = ModelSet.load(into / "without-one")
    assert without.boosting is not None
    assert without.description["trained_on"]["series"].keys() == {"two"}
    assert "<svg" in page.read_text(encoding="utf-8")
    card = CliRunner().invoke(app, ["forecaster", "model-card", "--models", str(into)])
    row = next(line for line in card.stdout.splitlines() if re.match(r"\| one \| \d\.", line))
    validation = models["validation"]
    for errors in (
        *(validation[member][part] for member in validation for part in ("series", "zero_shot")),
        validation["lstm"]["last_epoch"]["series"],
    ):
        assert f" {errors['one']:.3f} |" in row
    tuned = ["fine-tune", str(files[0]), "--models", str(into), "--into", str(tmp_path / "tuned")]
    answer = CliRunner().invoke(app, ["forecaster", *tuned, "--output", "json"])
    said = json.loads(answer.stdout)
    assert said["kept"] == (tmp_path / "tuned" / "model.json").is_file()
