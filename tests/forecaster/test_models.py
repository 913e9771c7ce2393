"""Versions of the models: who serves, who takes over and why, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest
from forecaster_stage import START_MINUTE, WEB, Stage, version
from hypothesis import given
from hypothesis import strategies as st
from plain_engine import PlainEngine

from energy.errors import InputError
from forecaster.challenge import ChallengePolicy, Contest, Verdict, judge
from forecaster.core import Core, CoreOptions, Sections
from forecaster.model_changes import ModelOptions
from forecaster.registry import SHIPPED, Registry, watched
from forecaster.shadow import Shadow, contest_of

POLICY = ChallengePolicy(
    scored_count_min=100, margin_ratio=0.05, looks_seconds=(1000.0, 3000.0), silent_ratio_max=0.1
)
RATIOS = st.floats(0.01, 100)
UNDECIDED = ModelOptions(retraining=None)  # the first look is after a day


def contest(**changes) -> Contest:
    """Give a contest that is won, long enough and on enough forecasts."""
    won = Contest(
        scored_count=200, seconds=1000, workloads=5, champion_ratio=1.0, challenger_ratio=0.5
    )
    return replace(won, **changes)


@given(st.integers(0, 300), st.floats(0, 5000), RATIOS, RATIOS, st.integers(0, 2))
def test_a_challenger_takes_over_on_evidence_alone(count, seconds, champion, challenger, looks):
    """Never before enough is scored, and only by the margin; it is decided in the end."""
    given = contest(
        scored_count=count, seconds=seconds, champion_ratio=champion, challenger_ratio=challenger
    )
    verdict = judge(given, POLICY, looks)

    assert verdict.reason
    if verdict.outcome == "promote":
        assert count >= 100
        assert seconds >= 1000
        assert challenger < champion * 0.95
    if seconds >= 3000:
        assert verdict.outcome != "wait"


def test_it_is_looked_a_few_times_and_not_in_between():
    """Who is ahead by chance for a minute does not win, nor who is ahead after a minute."""
    assert judge(contest(), POLICY) == Verdict("promote", judge(contest(), POLICY).reason, 1)
    assert judge(contest(seconds=999), POLICY).outcome == "wait"
    assert judge(contest(seconds=2999), POLICY, 1).outcome == "wait"
    assert judge(contest(seconds=3000), POLICY, 1).outcome == "promote"
    assert judge(contest(challenger_ratio=0.99), POLICY) == Verdict(
        "wait", judge(contest(challenger_ratio=0.99), POLICY).reason, 1
    )
    assert judge(contest(challenger_ratio=0.99, seconds=3000), POLICY, 1).outcome == "dismiss"
    assert judge(contest(scored_count=99, seconds=3000), POLICY, 1).outcome == "dismiss"
    assert ChallengePolicy().looks_seconds[0] >= 86_400


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"challenger_ratio": float("nan")}, "cannot be compared"),
        ({"challenger_ratio": float("inf")}, "cannot be compared"),
        ({"champion_ratio": 0.0}, "cannot be compared"),
        ({"silent_count": 50}, "said nothing in 50 of 250"),
    ],
)
def test_figures_that_are_none_promote_nobody(changes, reason):
    """A model that says nothing sensible goes."""
    verdict = judge(contest(**changes), POLICY)
    assert verdict.outcome == "dismiss"
    assert reason in verdict.reason


def test_one_giant_does_not_outvote_many():
    """For 499 workloads the challenger is worse by half, for the largest better by a little."""
    sums = np.tile([10.0, 15.0, 12.0, 100.0, 300.0], (500, 1))
    sums[0] = [1e9, 0.95e9, 1.2e9, 1e10, 300.0]
    found = contest_of(sums, silent_count=0, seconds=86_400)

    assert found.challenger_ratio / found.champion_ratio == pytest.approx(1.5, rel=1e-2)
    assert (found.scored_count, found.workloads) == (150_000, 500)
    assert judge(found, ChallengePolicy()).outcome == "wait"
    better = contest_of(sums[:, [1, 0, 2, 3, 4]], silent_count=0, seconds=86_400)
    assert judge(better, ChallengePolicy()).outcome == "promote"


def test_a_workload_that_stands_decides_nothing():
    """Nobody is off there; a rounding or a single miss is no victory."""
    sums = np.tile([10.0, 10.0, 12.0, 100.0, 300.0], (50, 1))
    sums[0] = [0.0, 1e-9, 0.0, 100.0, 300.0]
    sums[1] = [0.0, 1e6, 0.0, 0.0, 300.0]
    found = contest_of(sums, silent_count=0, seconds=86_400)
    assert found.challenger_ratio / found.champion_ratio == pytest.approx(10 ** (1 / 50))


def test_the_way_to_the_front_and_back(tmp_path):
    """Every change has its reason; the version before is kept."""
    registry = Registry(tmp_path)
    new = version(registry, "20260101-1")
    assert registry.state().champion == SHIPPED
    assert registry.versions() == (SHIPPED, new)

    assert registry.promote(new, "better", 0.5).champion == SHIPPED  # it challenges nobody
    registry.challenge(new, "trained", 1.0)
    assert registry.state().challenger == new
    registry.promote(new, "better", 2.0)
    state = registry.state()
    assert (state.champion, state.previous, state.challenger) == (new, SHIPPED, None)

    state = registry.roll_back(None, "worse after all", 3.0)
    assert (state.champion, state.previous) == (SHIPPED, new)
    assert [each.action for each in state.history] == ["challenge", "promote", "roll-back"]
    with pytest.raises(InputError, match="serves already"):
        registry.roll_back(SHIPPED, "again", 4.0)
    with pytest.raises(InputError, match="no version 'x'"):
        registry.roll_back("x", "what", 4.0)
    with pytest.raises(InputError, match="is there"):
        registry.roll_back("../x", "what", 4.0)


def test_a_rollback_in_between_is_not_overridden(tmp_path):
    """Neither by a promotion that was judged before, nor by an automatic way back."""
    registry = Registry(tmp_path)
    one, two = version(registry, "one"), version(registry, "two")
    registry.challenge(one, "trained", 1.0)
    registry.promote(one, "better", 2.0)
    registry.challenge(two, "trained", 3.0)
    registry.roll_back(SHIPPED, "by hand", 4.0)

    assert registry.promote(two, "better", 5.0).champion == SHIPPED
    assert registry.roll_back(one, "it did better", 6.0, instead_of=two).champion == SHIPPED
    assert registry.state().history[-1].reason == "by hand"


def test_old_versions_of_trainings_are_deleted(tmp_path):
    """But not who serves, challenges or served before, nor what a person put here."""
    registry = Registry(tmp_path)
    names = [version(registry, f"2026010{day}-120000-1") for day in range(1, 8)]
    version(registry, "mine")
    registry.challenge(names[0], "trained", 1.0)
    registry.promote(names[0], "better", 2.0)
    registry.challenge(names[1], "trained", 3.0)
    registry.promote(names[1], "better", 4.0)
    registry.challenge(names[2], "trained", 5.0)

    assert registry.prune(4) == tuple(names[3:6])
    assert registry.versions() == (SHIPPED, *names[:3], names[6], "mine")
    assert registry.prune(4) == ()


def test_a_promotion_is_watched_until_somebody_rolls_back(tmp_path):
    """And no longer than it is said."""
    registry = Registry(tmp_path)
    new = version(registry, "new")
    assert watched(registry.state(), 0.0, 100.0) is None
    registry.challenge(new, "trained", 1.0)
    registry.promote(new, "better", 2.0)
    assert watched(registry.state(), 101.0, 100.0) == SHIPPED
    assert watched(registry.state(), 102.0, 100.0) is None
    state = registry.roll_back(None, "worse", 50.0)
    assert watched(state, 51.0, 100.0) is None


def test_a_registry_that_is_none_is_one_line(tmp_path):
    """With the way to mend it."""
    (tmp_path / "registry.json").write_text('{"champion": 3}')
    with pytest.raises(InputError, match="remove it"):
        Registry(tmp_path).state()


def stage_with_challenger(folder, factor: float) -> Stage:
    """Give a forecaster whose champion foresees twice what comes, and its challenger."""
    engines = {SHIPPED: 2.0, "new": factor}
    stage = Stage(
        folder,
        engine=PlainEngine(factor=2.0),
        engine_of=lambda version: PlainEngine(factor=engines[version]),
        model_options=ModelOptions(
            challenge=ChallengePolicy(scored_count_min=60, looks_seconds=(1200.0, 2400.0)),
            retraining=None,
        ),
    )
    stage.minutes([10.0, 11.0])
    version(stage.registry, "new")
    stage.registry.challenge("new", "trained", stage.clock.seconds)
    return stage


def test_a_better_challenger_takes_over_without_a_gap(tmp_path):
    """Each minute has its forecast, and the new one knows what the old one knew."""
    stage = stage_with_challenger(tmp_path, 1.0)
    forecasts = stage.minutes([10.0 + place % 7 for place in range(60)])
    medians = [each.horizons[0].requests_per_second[2] for each in forecasts]
    actual = [10.0 + place % 7 for place in range(60)]
    turned = next(place for place, value in enumerate(medians) if value == actual[place])

    assert len(forecasts) == 60
    assert medians == [2 * value for value in actual[:turned]] + actual[turned:]
    assert 20 < turned < 59
    assert stage.models.serving == "new"
    assert stage.registry.state().previous == SHIPPED
    assert stage.core.shadow.version == SHIPPED  # who served before is watched
    (record,) = [each for each in stage.records if getattr(each, "action", "") == "promote"]
    assert "relative MAE" in record.reason

    stage.registry.roll_back(None, "worse after all", stage.clock.seconds)
    back = stage.minutes([10.0, 11.0, 12.0])
    assert [each.horizons[0].requests_per_second[2] for each in back][-1] == 24.0
    assert stage.models.serving == SHIPPED


def test_a_worse_challenger_goes(tmp_path):
    """And is shown to nobody meanwhile."""
    stage = stage_with_challenger(tmp_path, 3.0)
    forecasts = stage.minutes([10.0 + place % 7 for place in range(60)])

    assert len(forecasts) == 60
    assert stage.models.serving == SHIPPED
    assert stage.registry.state().challenger is None
    assert stage.registry.state().history[-1].action == "dismiss"
    assert stage.service.models_report().versions[1].role == ""


def test_a_champion_that_cannot_be_loaded_gives_way_to_the_shipped_one(tmp_path):
    """A forecaster that starts forecasts."""

    def engine_of(name: str) -> PlainEngine:
        if name != SHIPPED:
            raise InputError("holds no models", where=name)
        return PlainEngine()

    registry = Registry(tmp_path / "models")
    version(registry, "broken")
    registry.challenge("broken", "by hand", 1.0)
    registry.promote("broken", "by hand", 1.0)
    stage = Stage(tmp_path, engine_of=engine_of)

    assert len(stage.minutes([10.0, 10.0])) == 1
    assert stage.models.serving == SHIPPED


# Training.


def plain(_version: str) -> PlainEngine:
    """Give any version's engine."""
    return PlainEngine()


def test_a_contest_goes_on_after_a_restart(tmp_path):
    """What both were off by, for how long and how often it was looked; and with all of its past."""
    values = [10.0 + minute % 7 for minute in range(40)]
    stage = Stage(tmp_path, engine_of=plain, model_options=UNDECIDED)
    stage.minutes(values[:3])
    stage.registry.challenge(version(stage.registry, "new"), "trained", stage.clock.seconds)
    stage.minutes(values)
    before = stage.core.shadow
    before.looks_taken = 1
    stage.service.close()

    after = Stage(
        tmp_path,
        stream=stage.stream,
        clock=stage.clock,
        engine_of=plain,
        model_options=UNDECIDED,
    )
    after.minutes(values[:1])
    found = after.core.shadow

    assert before.contest.scored_count > 100
    assert found.contest.scored_count >= before.contest.scored_count
    assert found.contest.seconds >= before.contest.seconds > 0
    assert found.looks_taken == 1
    assert found.engine.known == after.core.engine.known
    kept = [before.export([WEB])]
    others = Shadow(
        "new", PlainEngine(), after.core.engine, keys_max=5, minute=0, against="x", contests=kept
    )
    assert others.contest == Contest()


def contested(partitions: int) -> tuple[Core, dict[int, Sections], Callable[[Core, int], None]]:
    """Give a contest over 8 of 40 workloads of some partitions, its state, and how one begins."""

    def begin(core: Core, keys_max: int) -> None:
        kept = core.contests.values()
        engine = PlainEngine(factor=2.0)
        core.begin_shadow(
            Shadow("new", engine, core.engine, keys_max=keys_max, minute=minute, contests=kept)
        )

    own = Core(PlainEngine(), CoreOptions())
    for minute in range(START_MINUTE, START_MINUTE + 12):
        for place in range(40):
            key = f"shop/Deployment/web-{place}"
            own.take(
                place % partitions, key, minute * 60_000, 10.0 + (minute + place) % 5, minute * 60.0
            )
        own.turn(minute * 60.0 + 1)
        if minute == START_MINUTE + 2:
            begin(own, 8)
    return own, {partition: own.export(partition) for partition in range(partitions)}, begin


@pytest.mark.parametrize("begins_at", [0, 4])
def test_a_contest_goes_on_with_the_same_workloads(begins_at):
    """Each counts as before, whoever comes first: challenger, or partition after partition."""
    before, states, begin = contested(partitions=4)
    after = Core(PlainEngine(), CoreOptions())
    for partition in range(5):
        if partition == begins_at:
            begin(after, 8)
        if partition < 4:
            after.restore(partition, states[partition])

    assert before.shadow.contest.workloads == 8
    found, expected = asdict(after.shadow.contest), asdict(before.shadow.contest)
    assert found == pytest.approx(expected, rel=1e-12)
    assert set(after.shadow.engine.known) == set(before.shadow.engine.known)


def test_a_contest_whose_workloads_are_not_there_begins_anew():
    """Else it would be judged after hours of which there are no forecasts."""
    before, states, begin = contested(partitions=1)
    before.shadow.looks_taken = 1
    states[0] = before.export(0)
    after = Core(PlainEngine(), CoreOptions())
    after.restore(0, states[0])
    begin(after, 2)

    assert before.shadow.contest.seconds > 0
    assert after.shadow.contest == Contest()
    assert after.shadow.looks_taken == 0


def test_workloads_that_come_with_a_partition_are_known_to_the_challenger(tmp_path):
    """Its forecasts would rest on minutes, and the champion's on days."""
    stage = Stage(tmp_path, engine_of=plain, model_options=UNDECIDED)
    stage.minutes([10.0] * 5)
    kept = stage.core.export(0)
    stage.service.close()

    after = Stage(tmp_path / "elsewhere", engine_of=plain, model_options=UNDECIDED)
    shadow = Shadow("new", PlainEngine(), after.core.engine, keys_max=5, minute=0)
    after.core.begin_shadow(shadow)
    after.core.restore(0, kept)

    assert shadow.engine.known == after.core.engine.known
    assert WEB in shadow.engine.known
