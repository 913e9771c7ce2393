"""When new models are trained, how a training ends, and what it leaves."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from forecaster_stage import WEB, Stage, version

from forecaster.model_changes import ModelOptions
from forecaster.registry import SHIPPED, Registry
from forecaster.retraining import (
    LIBRARIES,
    Drift,
    RetrainingPolicy,
    Training,
    missing_libraries,
    why_retrain,
)

UNDECIDED = ModelOptions(retraining=None)  # the first look is after a day
DAY = 86_400.0
RETRAIN = RetrainingPolicy(interval_seconds=7 * DAY, drift_factor=1.3, pause_seconds=DAY)
CALM = Drift(scored_count=1e6, recent_ratio=0.7, trained_ratio=0.6)
DRIFTED = Drift(scored_count=1e6, recent_ratio=0.8, trained_ratio=0.6)


def test_training_is_due_by_schedule_and_by_drift():
    """By drift only once a day, and only on evidence."""

    def why(drift, days, policy=RETRAIN):
        return why_retrain(policy, drift, last_seconds=0.0, now_seconds=days * DAY)

    assert why(CALM, 6) is None
    assert "168 h" in why(CALM, 7)
    assert why(DRIFTED, 0.9) is None
    assert "0.800 of late" in why(DRIFTED, 1)
    assert why(Drift(scored_count=10, recent_ratio=9.0, trained_ratio=0.6), 2) is None
    assert why(Drift(scored_count=1e6, recent_ratio=None, trained_ratio=None), 2) is None
    assert why(CALM, 400, RetrainingPolicy(interval_seconds=0)) is None


def test_what_training_lacks_is_named():
    """So that somebody can install it."""
    assert missing_libraries(lambda _name: True) is None
    lack = missing_libraries(lambda name: None if name == "tensorflow" else name)
    assert lack.startswith("tensorflow not installed; run `make training-libraries`")
    assert "tensorflow" in LIBRARIES
    assert "not part" in missing_libraries(lambda _name: None)


TRAINER = """
import sys, pathlib, json, numpy as np
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert set(given) == {"--history", "--out", "--seed", "--budget-seconds"}, given
assert np.load(given["--history"])["keys"].tolist() == ["a/B/c"]
code = int(given["--seed"])
if code == 0:
    out = pathlib.Path(given["--out"]); out.mkdir()
    (out / "model.json").write_text(json.dumps({"id": "trained"}))
print("first line\\nlast line", file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0, "trained as 20231114-221320-0"),
        (3, "too little history: last line"),
        (4, "a training library is missing: last line"),
        (1, "training ended with 1: last line"),
    ],
)
def test_a_training_leaves_a_version_or_a_reason(tmp_path, code, reason):
    """And nothing else in the folder."""
    training = Training(
        tmp_path,
        {"keys": np.array(["a/B/c"])},
        seed=code,
        budget_seconds=60.0,
        now_seconds=1_700_000_000.0,
        program=(sys.executable, "-c", TRAINER),
    )
    training._process.wait(30)  # noqa: SLF001
    done = training.finished()

    assert done.reason == reason
    assert [path.name for path in tmp_path.iterdir()] == ([] if code else [done.version])
    assert Registry(tmp_path).versions() == (SHIPPED, *([] if code else [done.version]))


def test_a_training_that_hangs_is_ended(tmp_path):
    """By a clock that a test moves."""
    clock = iter([0.0, 10.0, 5000.0])
    training = Training(
        tmp_path,
        {},
        seed=1,
        budget_seconds=60.0,
        now_seconds=0.0,
        program=(sys.executable, "-c", "import time; time.sleep(600)"),
        monotonic=lambda: next(clock),
    )

    assert training.finished() is None
    assert "too long" in training.finished().reason
    assert list(tmp_path.iterdir()) == []


def test_a_training_is_skipped_with_the_reason_where_a_library_lacks(tmp_path):
    """It is tried again a week later."""
    stage = Stage(
        tmp_path,
        model_options=ModelOptions(retraining=RetrainingPolicy(interval_seconds=3600)),
        lack=lambda: "tensorflow not installed",
    )
    stage.minutes([10.0] * 70)

    assert "tensorflow not installed" in stage.models.training_outcome
    assert stage.registry.state().last_training_seconds is None  # others may have them
    assert not stage.models.trains


def test_models_have_drifted_where_the_typical_workload_says_so(tmp_path):
    """Not where one giant does."""
    stage = Stage(tmp_path)
    stage.models.trained_ratio = 0.6
    sums = np.zeros((10, 9))
    sums[:, 0], sums[:, 7], sums[:, 8] = 1000.0, 0.6, 1.0
    sums[0, 7], sums[0, 8] = 5e9, 1e9
    keys = np.array([f"a/B/{place}" for place in range(10)])
    stage.core.errors.restore({"keys": keys, "sums": sums, "minutes": np.full(10, 1000)})
    drift = stage.models._drift()  # noqa: SLF001

    assert drift.recent_ratio == pytest.approx(0.6 * (5 / 0.6) ** 0.1)
    assert drift.recent_ratio < RETRAIN.drift_factor * drift.trained_ratio


def test_one_of_several_processes_trains_and_its_models_challenge(tmp_path):
    """The others see that it has begun."""

    class Done:
        def finished(self):
            from forecaster.retraining import Finished

            return Finished("new", "trained as new")

        def stop(self):
            pass

    begun = []

    def train(history, _now):
        begun.append(history["keys"].tolist())
        return Done()

    options = ModelOptions(retraining=RetrainingPolicy(interval_seconds=3600))
    stage = Stage(tmp_path, model_options=options, lack=lambda: None, train=train)
    version(stage.registry, "new")
    stage.minutes([10.0] * 70)

    assert begun == [[WEB]]
    assert stage.registry.state().history[0].action == "challenge"
    assert stage.registry.state().history[0].version == "new"
    assert not stage.registry.claim_training(None, 1.0)


@pytest.mark.parametrize(
    ("policy", "lack", "line"),
    [
        (RetrainingPolicy(), None, "new models are trained here when they are due"),
        (RetrainingPolicy(), "optuna lacks", "no new models can be trained here: optuna lacks"),
        (None, None, "no new models are trained: --no-retrain"),
    ],
)
def test_it_is_said_at_the_start_whether_new_models_can_be_trained(
    tmp_path, caplog, policy, lack, line
):
    """Not only after a week, when a training is due."""
    caplog.set_level("INFO")
    Stage(tmp_path, model_options=ModelOptions(retraining=policy), lack=lambda: lack)
    assert line in caplog.text
