"""Models that cannot serve, registries that are broken, and trainings that nobody waits for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from forecaster_stage import START_MINUTE, WEB, Stage
from plain_engine import PlainEngine

from energy.errors import InputError
from forecaster.challenge import ChallengePolicy
from forecaster.engine import Engine
from forecaster.faults import TRIED_KEYS, ModelFault, fails_alike
from forecaster.lstm import Lstm
from forecaster.metrics import exposition, process_registry
from forecaster.model_changes import ModelOptions
from forecaster.model_set import LSTM_FILE, ModelSet
from forecaster.model_set import SHIPPED as SHIPPED_MODELS
from forecaster.registry import SHIPPED, Registry
from forecaster.retraining import Training, clear_orphans
from forecaster.shadow import Shadow
from forecaster.trial import require_forecasts

QUICK = ModelOptions(
    challenge=ChallengePolicy(scored_count_min=60, looks_seconds=(1200.0, 2400.0)),
    retraining=None,
)


class FailingEngine(PlainEngine):
    """Loads, and fails when it is to forecast."""

    def forecast(self, minute, keys=None):
        """Fail as onnxruntime does."""
        raise RuntimeError("Got: 1 Expected: 2")


class MuteEngine(PlainEngine):
    """Says nothing."""

    def forecast(self, minute, keys=None):
        """Give no figure."""
        said = super().forecast(minute, keys)
        said.requests_per_second[:] = np.nan
        return said


def version(registry: Registry, name: str) -> str:
    """Make a version's folder."""
    (registry.folder / name).mkdir(parents=True)
    (registry.folder / name / "model.json").write_text('{"id": "x"}')
    return name


def promoted(registry: Registry, *names: str) -> None:
    """Let versions serve one after another."""
    for at, name in enumerate(names):
        registry.challenge(version(registry, name), "trained", float(at))
        registry.promote(name, "better", float(at))


def engines(**kinds: PlainEngine):
    """Give engines by version; what is not named is plain."""
    return lambda name: kinds.get(name) or PlainEngine()


@pytest.mark.parametrize("kind", [FailingEngine, MuteEngine])
def test_a_champion_that_cannot_forecast_gives_way_to_who_served_before(tmp_path, kind):
    """And that is to be seen in the report and the metrics; the shipped one comes last."""
    promoted(Registry(tmp_path / "models"), "old", "new")
    stage = Stage(tmp_path, engine_of=engines(new=kind()))

    assert stage.models.serving == "old"
    assert len(stage.minutes([10.0, 10.0])) == 1
    report = stage.service.models_report()
    assert (report.champion, report.serving) == ("new", "old")
    assert report.trouble.startswith("old serves in place of new: new: ")
    text = exposition(process_registry(), stage.service.figures()).decode()
    assert "negawatt_forecaster_champion_serves 0.0" in text

    alone = Stage(tmp_path, engine_of=engines(new=kind(), old=kind()))
    assert alone.models.serving == SHIPPED
    assert alone.minutes([10.0, 10.0])


def test_a_version_that_cannot_forecast_is_not_swapped_in(tmp_path):
    """As challenger it is dismissed, and a rollback to it changes nothing but what is said."""
    stage = Stage(tmp_path, engine_of=engines(new=FailingEngine()), model_options=QUICK)
    stage.minutes([10.0, 11.0])
    stage.registry.challenge(version(stage.registry, "new"), "trained", stage.clock.seconds)
    stage.minutes([10.0, 11.0])
    assert stage.core.shadow is None
    assert "Expected: 2" in stage.registry.state().history[-1].reason

    stage.registry.roll_back("new", "by hand", stage.clock.seconds)
    assert len(stage.minutes([10.0, 11.0])) == 2
    assert stage.models.serving == SHIPPED
    assert "shipped serves in place of new" in stage.models.trouble


def test_a_broken_registry_does_not_hinder_the_start(tmp_path):
    """The shipped models serve, and it is said; once it is mended it is followed."""
    registry = Registry(tmp_path / "models")
    promoted(registry, "new")
    file = registry.folder / "registry.json"
    sound = file.read_bytes()
    file.write_text("{broken")
    stage = Stage(tmp_path)

    assert len(stage.minutes([10.0, 10.0])) == 1
    assert stage.models.serving == SHIPPED
    assert "is no registry of models" in stage.service.models_report().trouble
    assert not stage.service.figures().champion_serves

    file.write_bytes(sound)
    stage.minutes([10.0, 10.0])
    assert stage.models.serving == "new"
    assert stage.models.trouble == ""


def test_who_served_before_serves_again_where_it_does_better(tmp_path):
    """Without anybody asking; a promotion that was none is taken back once, for good."""
    factors = {SHIPPED: 1.0, "new": 3.0}
    stage = Stage(
        tmp_path,
        engine=PlainEngine(),
        engine_of=lambda name: PlainEngine(factor=factors[name]),
        model_options=QUICK,
    )
    stage.minutes([10.0, 11.0])
    stage.registry.challenge(version(stage.registry, "new"), "by hand", stage.clock.seconds)
    stage.registry.promote("new", "by hand", stage.clock.seconds)
    stage.minutes([10.0, 11.0])
    assert stage.models.serving == "new"
    assert "shipped: " in stage.service.models_report().challenger_verdict

    stage.minutes([10.0 + place % 7 for place in range(40)])
    assert stage.models.serving == stage.registry.state().champion == SHIPPED
    (record,) = [each for each in stage.records if getattr(each, "action", "") == "roll-back"]
    assert "relative MAE" in record.reason
    assert stage.core.shadow is None


def test_a_promotion_that_was_right_is_settled(tmp_path):
    """The version before leaves the shadow at the last look."""
    factors = {SHIPPED: 3.0, "new": 1.0}
    stage = Stage(
        tmp_path,
        engine_of=lambda name: PlainEngine(factor=factors[name]),
        model_options=QUICK,
    )
    promoted(stage.registry, "new")
    stage.registry.roll_back(None, "x", stage.clock.seconds)
    stage.registry.challenge("new", "by hand", stage.clock.seconds)
    stage.registry.promote("new", "by hand", stage.clock.seconds)
    stage.minutes([10.0 + place % 7 for place in range(10)])
    assert stage.core.shadow.version == SHIPPED
    stage.minutes([10.0 + place % 7 for place in range(50)])
    assert stage.models.serving == "new"
    assert stage.core.shadow is None


def test_a_challenger_is_not_promoted_over_a_rollback_in_between(tmp_path):
    """Whoever rolled back knew better."""
    stage = Stage(
        tmp_path,
        engine=PlainEngine(factor=2.0),
        engine_of=lambda name: PlainEngine(factor=1.0 if name == "new" else 2.0),
        model_options=QUICK,
    )
    stage.minutes([10.0, 11.0])
    stage.registry.challenge(version(stage.registry, "new"), "trained", stage.clock.seconds)
    version(stage.registry, "wanted")
    state = stage.registry.state

    def rolled_back_after_it_was_read():
        found = state()
        if stage.core.shadow is not None and stage.core.shadow.contest.seconds >= 1200:
            stage.registry.state = state
            stage.registry.roll_back("wanted", "by hand", stage.clock.seconds)
        return found

    stage.registry.state = rolled_back_after_it_was_read
    stage.minutes([10.0 + place % 7 for place in range(40)])
    assert stage.registry.state().champion == stage.models.serving == "wanted"
    assert not [each for each in stage.records if getattr(each, "action", "") == "promote"]


def test_a_challenger_that_says_nothing_is_told_so():
    """Time passes for it as for others, and it is not compared on what it left out."""
    champion = PlainEngine()
    champion.put(WEB, np.array([START_MINUTE]), np.array([10.0]))
    shadow = Shadow("new", MuteEngine(), champion, keys_max=5, minute=START_MINUTE)
    for minute in range(START_MINUTE + 1, START_MINUTE + 31):
        for engine in (champion, shadow):
            engine.put(WEB, np.array([minute]), np.array([10.0 + minute % 3]))
        shadow.compare(champion.forecast(minute, [WEB]))

    assert shadow.contest.scored_count == 0
    assert shadow.contest.silent_count > 50
    assert shadow.contest.seconds > 1000


# Trial.


def test_the_shipped_models_pass_and_remember_nothing():
    """A real engine, tried once."""
    engine = Engine(ModelSet.shipped())
    require_forecasts(engine, SHIPPED)
    assert engine.keys() == ()


def test_a_network_of_other_shapes_is_refused(tmp_path):
    """By name alone it would be ours."""
    import onnx

    path = tmp_path / LSTM_FILE
    shutil.copy(SHIPPED_MODELS / LSTM_FILE, path)
    graph = onnx.load(path)
    graph.graph.input[0].type.tensor_type.shape.dim[-1].dim_value += 1
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(InputError, match=r"is another network|is no network"):
        Lstm(path)

    names = [each.name for each in graph.graph.input]
    plain = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", [names[-1]], ["quantiles"])],
        "plain",
        [onnx.helper.make_tensor_value_info(name, 1, ["n", 2]) for name in names],
        [onnx.helper.make_tensor_value_info("quantiles", 1, ["n", 2])],
    )
    model = onnx.helper.make_model(plain, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"its \w+ is tensor\(float\) \['n', 2\]"):
        Lstm(path)


# Trainings.

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


def test_what_a_killed_forecaster_left_is_cleared_and_its_process_ended(tmp_path):
    """What a living one has is left alone."""
    begin = f"""
import time
from contextlib import suppress
from pathlib import Path
from forecaster.retraining import Training
Training(Path({str(tmp_path)!r}), {{}}, seed=1, budget_seconds=60, now_seconds=0, program={SLEEP!r})
print("begun", flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", begin]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"begun\n"
        (folder,) = tmp_path.iterdir()
        number = int((folder / "process.txt").read_text())
        assert clear_orphans(tmp_path) == ()
        parent.kill()
    try:
        assert clear_orphans(tmp_path) == (folder.name,)
        assert list(tmp_path.iterdir()) == []
        assert _is_gone(number)
    finally:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)

    living = Training(tmp_path, {}, seed=2, budget_seconds=60.0, now_seconds=0.0, program=SLEEP)
    assert clear_orphans(tmp_path) == ()
    living.stop()
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_the_same_number_is_not_ended(tmp_path):
    """Numbers are given anew: only a command line that names the folder is that of a training."""
    folder = tmp_path / ".training-x"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "process.txt").write_text(str(os.getpid()))
    assert clear_orphans(tmp_path) == (".training-x",)


def _is_gone(number: int) -> bool:
    """Whether a process has ended within some seconds; nobody may wait for it (a zombie)."""
    for _ in range(100):
        try:
            said = Path(f"/proc/{number}/stat").read_text("utf-8")
            if said.rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


class TiringEngine(PlainEngine):
    """Forecasts what it is tried with; later it fails, in one way or the other."""

    def __init__(self, fails: str = "", way: str = "raises") -> None:
        super().__init__(adopts=False)
        self.fails, self.way = fails, way

    def forecast(self, minute, keys=None):
        """Fail of one workload, which comes later, or of all."""
        said = super().forecast(minute, keys)
        if not self.fails or not any(key.startswith(self.fails) for key in said.keys):
            return said
        if self.way == "raises":
            raise RuntimeError("Got: 1 Expected: 2")
        said.requests_per_second[:] = np.nan
        return said


@pytest.mark.parametrize("way", ["raises", "is mute"])
def test_a_champion_that_fails_at_work_gives_way_by_itself(tmp_path, way, caplog):
    """To who served before, if that works; why is said once, and goes to the ledger."""
    promoted(Registry(tmp_path / "models"), "old", "new")
    made = {"new": TiringEngine("shop", way), "old": PlainEngine(factor=3.0)}
    stage = Stage(tmp_path, engine_of=engines(**made))
    assert stage.models.serving == "new"

    for _ in range(6):
        stage.clock.at_minute(stage.clock.minute + 1)
        stage.send(10.0)
        for second in (1.0, 30.0):
            stage.clock.at_minute(stage.clock.minute, second)
            assert stage.service.attempt() or stage.service.attempt()
    records = [each for each in stage.records if each.subject_kind == "Models"]

    assert stage.models.serving == "old"
    assert stage.core.engine is made["old"]
    assert stage.service.workload(WEB).forecast.horizons[0].requests_per_second[2] == 30.0
    assert [(each.action, each.subject_name) for each in records] == [("fall-back", "old")]
    assert records[0].detail == {"replaced": "new"}
    assert "old serves in place of new: it failed at work: it " in stage.models.trouble
    assert caplog.text.count("version new cannot serve") == 1
    text = exposition(process_registry(), stage.service.figures()).decode()
    assert "negawatt_forecaster_champion_serves 0.0" in text
    assert stage.registry.state().champion == "new"


def test_a_champion_stays_where_others_fail_at_the_same(tmp_path):
    """Then it is no fault of models; what was learnt stays where it is."""
    promoted(Registry(tmp_path / "models"), "old", "new")
    engines_made = {name: TiringEngine("shop") for name in ("old", "new", SHIPPED)}
    stage = Stage(tmp_path, engine_of=engines(**engines_made))
    for _ in range(4):
        stage.clock.at_minute(stage.clock.minute + 1)
        stage.send(10.0)
        stage.service.attempt()

    assert stage.models.serving == "new"
    assert stage.core.engine is engines_made["new"]
    assert len(stage.core.engine.known[WEB]) == 4
    assert stage.models.trouble == ""
    assert not stage.records


def test_models_that_all_fail_are_tried_less_and_less_often(tmp_path):
    """Each time loads all of them; a fault after a long pause is another one."""
    promoted(Registry(tmp_path / "models"), "old", "new")
    loaded = []

    def engine_of(name: str) -> TiringEngine:
        loaded.append(name)
        return TiringEngine("shop")

    stage = Stage(tmp_path, engine_of=engine_of)

    def tries(minutes: int) -> int:
        loaded.clear()
        for _ in range(minutes):
            stage.clock.at_minute(stage.clock.minute + 1)
            stage.send(10.0)
            stage.service.attempt()
        return loaded.count("old")

    assert tries(20) == 4  # after 0, 2, 6 and 14 minutes
    stage.clock.at_minute(stage.clock.minute + 90)
    assert tries(3) == 2


def test_a_stand_in_is_tried_beside_the_one_that_serves():
    """It is given all in question, some at a time, and what the other one knows stays."""
    serving, other = PlainEngine(), PlainEngine()
    keys = tuple(f"shop/Deployment/web-{place}" for place in range(TRIED_KEYS + 1))
    for minute in range(3):
        for key in keys:
            serving.put(key, np.array([minute]), np.array([10.0]))
        serving.forecast(minute, keys)
    pending = dict(serving.pending)
    fault = ModelFault(3, (*keys, "is/Deployment/gone"), "says nothing")

    assert not fails_alike(other, serving, fault)
    assert [len(asked) for _, asked in other.asked] == [TRIED_KEYS, 1]
    assert other.known == {}
    assert serving.pending == pending
    assert fails_alike(FailingEngine(), serving, fault)
    assert fails_alike(MuteEngine(), serving, fault)
