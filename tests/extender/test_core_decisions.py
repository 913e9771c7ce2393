"""Every bind after going live is a decision: judged, remembered, summed, and ended."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from core_scenes import GIBIBYTE, CoreScene, key_of, server, task
from hypothesis import given
from hypothesis import strategies as st

from cluster.model import Owner
from extender.loads import MeasuredLoad
from extender.needs import CPU_LABEL
from extender.savings import summed

FLEET = (server("a"), server("b", "dear"), server("c", "worst"))
#: Watts that a core adds on a straight curve of 8 cores, all of which is used.
CORE_WATTS = {"a": 60 / 8, "b": 200 / 8, "c": 600 / 8}


def replica(name: str, **fields):
    """Give a pod of Deployment `web`."""
    labels = {"pod-template-hash": "abc", **fields.pop("labels", {})}
    return task(name, owner=Owner(kind="ReplicaSet", name="web-abc"), labels=labels, **fields)


def test_a_bind_elsewhere_costs_the_watts_between() -> None:
    """Against the curves by hand: a core on the dear server and not on the good one."""
    scene = CoreScene(*FLEET, mode="observe")
    pod = replica("web-abc-1", scheduler_name="default-scheduler")
    scene.waits(pod)
    scene.binds(pod, "b")
    (decision,) = scene.offered
    assert (decision.node_chosen, decision.node_preferred) == ("b", "a")
    assert decision.chosen_watts == pytest.approx(CORE_WATTS["b"])
    assert decision.preferred_watts == pytest.approx(CORE_WATTS["a"])
    assert decision.forgone_watts == pytest.approx(CORE_WATTS["b"] - CORE_WATTS["a"])
    assert (decision.workload_kind, decision.workload_name) == ("Deployment", "web")
    assert (decision.mode, decision.uid) == ("observe", pod.uid)
    assert decision.scheduler_name == "default-scheduler"
    assert decision.candidate_count == 3
    assert [candidate.node for candidate in decision.candidates] == ["a", "b", "c"]
    assert [candidate.rank for candidate in decision.candidates] == [0, 1, 2]
    assert decision.load_source == "requests"
    assert decision.needs_source == "requests"
    assert decision.decided_at_seconds == scene.clock.seconds
    assert "a has the best rank" in decision.reason
    assert "b was chosen instead" in decision.reason


def test_a_bind_to_the_preferred_node_costs_nothing() -> None:
    """And is counted as such."""
    scene = CoreScene(*FLEET)
    scene.binds(task("p"), "a")
    assert scene.offered[0].forgone_watts == 0.0
    assert scene.core.figures().decisions == {("act", "same"): 1}


def test_the_runner_up_is_of_another_class() -> None:
    """A sibling of the preferred node would say nothing."""
    scene = CoreScene(*FLEET, server("a2"))
    scene.binds(task("p"), "c")
    assert scene.offered[0].runner_up_node == "b"
    assert scene.offered[0].runner_up_watts == pytest.approx(CORE_WATTS["b"])


def test_where_a_node_may_sleep_its_waking_counts() -> None:
    """40 W of idling less what it draws asleep, unless a pod is there already."""
    scene = CoreScene(*FLEET, nodes_may_sleep=True)
    scene.binds(task("p1"), "a")
    scene.binds(task("p2"), "a")
    first, second = (decision.chosen_watts for decision in scene.offered)
    asleep = 40.0 - first + CORE_WATTS["a"]  # what is left is the profile's sleep watts
    assert 0.0 <= asleep < 40.0
    assert second == pytest.approx(CORE_WATTS["a"])


def test_the_load_of_the_moment_is_what_counts() -> None:
    """Its source and its age are in the record."""
    scene = CoreScene(*FLEET)
    at = scene.clock.seconds - 30.0
    load = MeasuredLoad(cpu_cores=4.0, source="prometheus", measured_at_seconds=at)
    scene.core.readings({"b": load}, None, {})
    scene.binds(task("p"), "b")
    decision = scene.offered[0]
    assert (decision.load_source, decision.load_age_seconds) == ("prometheus", 30.0)
    by_node = {candidate.node: candidate for candidate in decision.candidates}
    assert by_node["b"].source == "prometheus"
    assert by_node["a"].source == "requests"
    assert by_node["a"].age_seconds is None


def test_what_was_bound_before_going_live_is_no_decision() -> None:
    """Nobody saw the load of that moment; it is explained as it would be judged now."""
    scene = CoreScene(*FLEET, live=False)
    before = task("before")
    scene.binds(before, "b")
    scene.core.went_live()
    assert scene.offered == []
    assert scene.core.explain("shop", "before").state == "bound-before"
    scene.binds(task("after"), "b")
    assert [decision.pod for decision in scene.offered] == ["after"]
    scene.goes(before)
    (forgone,) = scene.core.figures().forgone.values()
    assert forgone.decisions == 1


def test_a_node_that_could_not_take_the_pod_is_not_preferred() -> None:
    """Full of requests, cordoned, or not selected."""
    scene = CoreScene(*FLEET, server("d", "dear"))
    scene.binds(task("q", 7500), "a")
    scene.core.node_changed(FLEET[1], replace(FLEET[1], unschedulable=True))
    scene.binds(task("p"), "c")
    assert scene.offered[-1].node_preferred == "d"
    picky = task("picky", node_selector={"server": "worst"})
    scene.binds(picky, "c")
    assert scene.offered[-1].node_preferred == "c"


def test_a_choice_that_we_would_not_have_found_possible_is_judged_all_the_same() -> None:
    """Somebody bound a pod by hand to a full node."""
    scene = CoreScene(*FLEET)
    scene.binds(task("q", 8000), "b")
    scene.binds(task("p", 1000), "b")
    decision = scene.offered[-1]
    assert (decision.node_chosen, decision.node_preferred) == ("b", "a")
    assert scene.core.figures().decisions["act", "other"] == 2


def test_what_the_scheduler_asked_about_are_the_candidates() -> None:
    """It knows constraints that we do not, such as volumes."""
    scene = CoreScene(*FLEET)
    pod = task("p")
    scene.waits(pod)
    scene.scores(pod, ["b", "c"])
    scene.binds(pod, "c")
    decision = scene.offered[0]
    assert (decision.node_preferred, decision.candidate_count) == ("b", 2)


def test_a_pod_without_requests_is_judged_by_what_it_needs() -> None:
    """And the record says whence that is."""
    scene = CoreScene(*FLEET)
    scene.binds(task("p", 0, annotations={CPU_LABEL: "2"}), "b")
    decision = scene.offered[0]
    assert (decision.cpu_millicores, decision.needs_source) == (2000, "label")
    assert decision.chosen_watts == pytest.approx(2 * CORE_WATTS["b"])


@pytest.mark.parametrize("text", ["-4", "1e99", "x" * 200, "∞"])
def test_a_label_of_nonsense_costs_no_decision(text: str) -> None:
    """Whoever may create pods must not be able to hide them."""
    scene = CoreScene(*FLEET)
    pod = task("p", 0, annotations={CPU_LABEL: text})
    scene.waits(pod)
    assert scene.scores(pod)["a"] == 10
    scene.binds(pod, "b")
    assert scene.offered[0].needs_source == "unknown"


def test_a_decision_that_fails_does_not_lose_the_pod(caplog) -> None:
    """A ledger that raises, say; it is counted, and the pod takes its room."""
    scene = CoreScene(*FLEET)
    pods = [task("p1", 3000), task("p2", 2000)]
    scene.waits(*pods)
    scene.scores(pods[0])
    scene.offered = None  # what offers to it raises from now on
    scene.core._decisions._offer = lambda _: 1 / 0  # noqa: SLF001 - there is no other way in
    with caplog.at_level(logging.ERROR):
        for pod in pods:
            scene.binds(pod, "b")
    assert "ZeroDivisionError" in caplog.text
    assert scene.cores() == {"a": 0.0, "b": 5.0, "c": 0.0}
    assert scene.core.figures().decisions["act", "failed"] == 2
    for pod in pods:
        scene.goes(pod)
    assert scene.cores()["b"] == 0.0


class TestEnds:
    """What began ends, once."""

    def test_a_pod_that_finishes_and_is_then_deleted_ends_once(self) -> None:
        """At the time it finished."""
        scene = CoreScene(*FLEET)
        pod = task("p")
        scene.binds(pod, "b")
        scene.passes(100.0)
        at = scene.clock.seconds
        scene.core.pod_changed(key_of(pod), replace(pod, node_name="b", phase="Succeeded"))
        scene.passes(50.0)
        scene.goes(pod)
        assert scene.ended == [(pod.uid, at)]
        (forgone,) = scene.core.figures().forgone.values()
        assert forgone.watts == 0.0
        assert forgone.joules == pytest.approx(100.0 * (CORE_WATTS["b"] - CORE_WATTS["a"]))

    def test_a_pod_ends_also_when_its_decision_is_no_longer_remembered(self) -> None:
        """Clusters have more pods than anybody remembers explanations."""
        scene = CoreScene(*FLEET, decisions_remembered=2)
        pods = [task(f"p{number}") for number in range(4)]
        for pod in pods:
            scene.binds(pod, "b")
        for pod in pods:
            scene.goes(pod)
        assert {uid for uid, _ in scene.ended} == {pod.uid for pod in pods}
        (forgone,) = scene.core.figures().forgone.values()
        assert forgone.watts == pytest.approx(0.0)

    def test_a_pod_that_was_bound_before_we_watched_ends_too(self) -> None:
        """An earlier process may have recorded its decision: the ledger knows, we do not."""
        scene = CoreScene(*FLEET, live=False)
        before = task("before")
        scene.binds(before, "b")
        scene.core.went_live()
        scene.passes(10.0)
        scene.goes(before)
        assert scene.ended == [(before.uid, scene.clock.seconds)]

    def test_a_pod_that_was_never_bound_does_not_end(self) -> None:
        """There is nothing to end."""
        scene = CoreScene(*FLEET)
        pod = task("p")
        scene.waits(pod)
        scene.scores(pod)
        scene.goes(pod)
        assert scene.ended == []


def test_a_decision_is_explained_as_it_was_made() -> None:
    """Though the state has changed since, and the pod is gone."""
    scene = CoreScene(*FLEET)
    pod = task("p")
    scene.binds(pod, "b")
    scene.binds(task("q", 7000), "a")
    scene.goes(pod)
    found = scene.core.explain("shop", "p")
    assert (found.state, found.node_chosen, found.node_preferred) == ("ended", "b", "a")
    chosen = [candidate.node for candidate in found.candidates if candidate.chosen]
    preferred = [candidate.node for candidate in found.candidates if candidate.preferred]
    assert (chosen, preferred) == (["b"], ["a"])
    assert found.forgone_watts == pytest.approx(CORE_WATTS["b"] - CORE_WATTS["a"])
    assert [candidate.score for candidate in found.candidates] == [10, 9, 8]


def test_a_pod_that_waits_is_explained_by_what_would_be_chosen_now() -> None:
    """And by what keeps it where nothing can be."""
    scene = CoreScene(*FLEET)
    scene.waits(task("p"), task("big", 9000))
    found = scene.core.explain("shop", "p")
    assert (found.state, found.node_chosen, found.node_preferred) == ("pending", None, "a")
    stuck = scene.core.explain("shop", "big")
    assert stuck.node_preferred is None
    assert stuck.candidate_count == 0
    assert sum(stuck.infeasible.values()) >= len(FLEET)
    assert "no node can take the pod" in stuck.reason
    assert scene.core.explain("shop", "nobody") is None


def test_no_more_decisions_are_remembered_than_said() -> None:
    """The others are in the ledger."""
    scene = CoreScene(*FLEET, decisions_remembered=3)
    pods = [task(f"p{number}", 100) for number in range(5)]
    for pod in pods:
        scene.binds(pod, "b")
    states = [scene.core.explain("shop", pod.name).state for pod in pods]
    assert states == ["bound-before"] * 2 + ["bound"] * 3


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.integers(1, 1500),
            st.sampled_from(["shop", "blog"]),
            st.sampled_from(["web", "db"]),
            st.integers(0, 100),
        ),
        max_size=12,
    )
)
def test_sums_are_those_of_the_decisions(binds) -> None:
    """By workload and by namespace, in watts and, after every pod has ended, in joules."""
    scene = CoreScene(*FLEET, mode="observe")
    pods, joules = [], 0.0
    for number, (node, cpu, namespace, workload, seconds) in enumerate(binds):
        owner = Owner(kind="StatefulSet", name=workload)
        pod = task(f"{workload}-{number}", cpu, GIBIBYTE // 8, namespace=namespace, owner=owner)
        pods.append(pod)
        scene.binds(pod, node)
        scene.passes(float(seconds))
    figures = scene.core.figures()
    total = sum(decision.forgone_watts for decision in scene.offered)
    assert len(scene.offered) == len(binds)
    for by in ("namespace", "workload"):
        found = summed(figures, by)
        assert found.forgone_watts == pytest.approx(total, abs=1e-6)
        assert found.decisions == len(binds)
    for pod, decision in zip(pods, scene.offered, strict=True):
        scene.goes(pod)
        seconds = scene.clock.seconds - decision.decided_at_seconds
        joules += decision.forgone_watts * seconds
    assert summed(scene.core.figures(), "namespace").forgone_joules == pytest.approx(
        joules, abs=1e-2
    )
    assert len(scene.ended) == len(pods)
