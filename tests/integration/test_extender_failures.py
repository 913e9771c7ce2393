"""Scheduling goes on whatever the extender does: every pod of every burst gets a node.

kube-scheduler, its configuration and the extender are the shipped ones; nodes are KWOK's, and the
test does what a kubelet would. Nodes are huge, so that all bursts have room at once.
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from extender_process import Kubelet, Liveness
from extender_stage import NAMESPACE, Stage, pod_of
from faulty_extender import MOODS, FaultyExtender, Mood, through

from simulator.sandbox.ports import free_ports

pytestmark = [pytest.mark.kube, pytest.mark.slow]

BURST_PODS, FEW_PODS = 1000, 40
#: ARCHITECTURE: pods are late while the extender hangs, and that for 10 s at most.
HANGING_SECONDS_MAX = 10.0


def burst(stage: Stage, name: str, *, meanwhile: Callable[[], Any] | None = None) -> None:
    """Create a burst, do something in the middle of it, wait until every pod has a node.

    Says what the scheduler's own figures are, and expects a decision for every pod in them.
    """
    before = stage.algorithm()
    half = BURST_PODS // 2
    stage.create(name, half)
    rest = Thread(target=stage.create, args=(name, BURST_PODS - half), kwargs={"first": half})
    rest.start()
    if meanwhile is not None:
        meanwhile()
    rest.join()
    stage.wait_until_bound(name)
    assert_all_bound(stage, name, BURST_PODS)
    after = stage.algorithm()
    assert after.decisions - before.decisions >= BURST_PODS
    say(name, algorithm_seconds_mean=after.since(before))


def assert_all_bound(stage: Stage, name: str, count: int) -> None:
    """Every pod is there and has a node."""
    nodes = stage.nodes_of(name)
    assert len(nodes) == count
    assert "" not in nodes.values()


def say(case: str, **figures: float) -> None:
    """Say what was measured, for whoever runs the tests with `-rP`."""
    told = ", ".join(f"{name} {figure:.4f}" for name, figure in figures.items())
    sys.stdout.write(f"{case}: {told}\n")


def kinds_of(stage: Stage, name: str) -> Counter[str]:
    """Count a burst's pods by kind of node."""
    return Counter(node.rpartition("-")[0] for node in stage.nodes_of(name).values())


def assert_decided(stage: Stage, name: str, count: int) -> None:
    """Most pods are on the kind that needs the fewest watts, where chance would put a third.

    Not all: on a busy machine an answer may come after the scheduler's 100 ms.
    """
    assert kinds_of(stage, name)["thrifty"] > 0.6 * count


def test_an_extender_that_is_there_decides(stage: Stage) -> None:
    """So that the tests below could fail."""
    with stage.extender() as extender:
        stage.create("there", 50)
        stage.wait_until_bound("there")
        assert_decided(stage, "there", 50)
        assert extender.metric("scores_total", score="10") > 0


def test_without_an_extender_every_pod_is_scheduled(stage: Stage) -> None:
    """Nobody listens: a refused connection is ignored."""
    burst(stage, "absent")


def test_an_extender_that_is_killed_in_mid_burst_loses_no_pod(stage: Stage) -> None:
    """From one answer to the next it is gone, and nobody starts it again."""
    with stage.extender() as extender:

        def kill() -> None:
            stage.until(lambda: extender.metric("scores_total") > 0)
            extender.kill()

        burst(stage, "killed", meanwhile=kill)
        assert not extender.runs


def test_the_manifests_liveness_probe_ends_what_hangs_within_ten_seconds() -> None:
    """Also one that hangs right after a probe; its arithmetic, without a clock."""
    assert Liveness.of_manifest().seconds_max <= HANGING_SECONDS_MAX


def test_an_extender_that_hangs_delays_each_pod_until_its_kubelet_ends_it(
    stage: Stage,
) -> None:
    """It is ended once, and decides again afterwards; how late pods are is said, not judged."""
    with stage.extender() as extender, Kubelet(extender, Liveness.of_manifest()) as kubelet:
        stage.until(lambda: extender.answers("/readyz"))
        hung_at: list[float] = []

        def hang() -> None:
            extender.signal(signal.SIGSTOP)
            hung_at.append(time.monotonic())

        burst(stage, "hung", meanwhile=hang)
        stage.until(lambda: kubelet.ended_at and extender.answers("/readyz"))
        (ended_at,) = kubelet.ended_at
        say("hung", hung_seconds=ended_at - hung_at[0])
        stage.create("afterwards", 20)
        stage.wait_until_bound("afterwards")
        assert_decided(stage, "afterwards", 20)


def test_an_extender_that_is_slow_delays_pods_and_loses_none(stage: Stage) -> None:
    """50 ms are waited for, and its scores count; half a second is not."""
    port, upstream = stage.port, free_ports(1)[0]
    with stage.extender(upstream) as extender:
        url = extender.url
        moods: list[tuple[str, Mood]] = [
            *[("50 ms", through(url, 0.05))] * 100,
            *[("500 ms", through(url, 0.5))] * 40,
        ]
        well = itertools.repeat(("well", through(url)))
        with FaultyExtender(port, itertools.chain(moods, well)) as slow:
            burst(stage, "slow")
            assert slow.asked == {"50 ms": 100, "500 ms": 40, "well": BURST_PODS - 140}
        assert_decided(stage, "slow", BURST_PODS)


def test_an_extender_that_answers_anything_loses_no_pod(stage: Stage) -> None:
    """Each kind of rubbish in turn, for every pod of a burst; 10 MB now and then."""
    others = [(name, mood) for name, mood in MOODS.items() if name != "10 MB"]
    turns = [("10 MB", MOODS["10 MB"]), *itertools.islice(itertools.cycle(others), 49)]
    with FaultyExtender(stage.port, itertools.cycle(turns)) as faulty:
        burst(stage, "anything")
        assert sum(faulty.asked.values()) >= BURST_PODS
        assert faulty.asked.keys() == MOODS.keys()


@pytest.mark.parametrize("mood", MOODS)
def test_pods_are_scheduled_whatever_is_answered(stage: Stage, mood: str) -> None:
    """One kind of rubbish at a time, so that one that stops scheduling is named."""
    name = f"mood-{list(MOODS).index(mood)}"
    with FaultyExtender(stage.port, itertools.repeat((mood, MOODS[mood]))) as faulty:
        stage.create(name, FEW_PODS)
        stage.wait_until_bound(name)
        assert_all_bound(stage, name, FEW_PODS)
        assert faulty.asked[mood] >= FEW_PODS


def test_a_node_that_goes_between_filter_and_score_is_scored_0(stage: Stage) -> None:
    """Deleted while the scheduler asks; the extender knows already, and answers every name.

    The scheduler does not wait for so long, so what it does with that pod is its own affair.
    """
    upstream, victim = free_ports(1)[0], "thrifty-0"
    answered: list[dict[str, int]] = []
    with stage.extender(upstream) as extender:
        pass_on = through(extender.url)

        def delete_first(asked: dict[str, Any]) -> tuple[int, bytes, int | None]:
            nodes = extender.metric("nodes")
            stage.plane.kubectl("delete", "node", victim, "--wait=false")
            stage.until(lambda: extender.metric("nodes") == nodes - 1)
            status, body, length = pass_on(asked)
            given = {each["Host"]: each["Score"] for each in json.loads(body)}
            assert status == 200
            assert given.keys() == set(asked["NodeNames"])
            answered.append(given)
            return status, body, length

        moods = itertools.chain(
            [("deletes", delete_first)], itertools.repeat(("well", through(extender.url)))
        )
        with FaultyExtender(stage.port, moods):
            stage.create("deleted", 1)
            stage.until(lambda: answered)
            stage.create("deleted", 20, first=1)
            stage.wait_until_bound("deleted")
        (given,) = answered
        assert given[victim] == 0
        assert max(given.values()) == 10
        nodes = stage.nodes_of("deleted")
        assert len(nodes) == 21
        assert victim not in {nodes[f"deleted-{number}"] for number in range(1, 21)}


def test_without_the_api_server_the_extender_answers_from_what_it_knows(stage: Stage) -> None:
    """Its sources age visibly meanwhile, and it goes on by itself."""
    with stage.extender() as extender:
        pod, names = pod_of("asked", "away"), ["thrifty-1", "thirsty-1", "nobody"]
        before = extender.prioritize(pod, names)
        assert before["thrifty-1"] > before["thirsty-1"] > before["nobody"] == 0
        with stage.paused("kube-apiserver"):
            age = extender.metric("source_age_seconds", source="pods")
            time.sleep(3.0)
            assert extender.metric("source_age_seconds", source="pods") >= age + 2.5
            assert extender.metric("source_age_seconds", source="nodes") >= 2.5
            assert extender.prioritize(pod, names) == before
            assert extender.answers("/healthz")
            assert extender.answers("/readyz")
        stage.create("back", 5)
        stage.wait_until_bound("back")
        stage.until(
            lambda: extender.document(f"/explain/{NAMESPACE}/back-4").get("state") == "bound"
        )
        assert extender.metric("source_age_seconds", source="pods") < 60.0
