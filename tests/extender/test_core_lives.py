"""What a pod is, over its whole life: annotated, re-created, unreadable, opted out, measured."""
# ruff: noqa: SLF001 - what is kept too long shows nowhere else

from __future__ import annotations

from dataclasses import replace

import pytest
from core_scenes import GIBIBYTE, CoreScene, json_of, key_of, server, task

from extender.loads import MeasuredLoad

TWO = (server("a"), server("b", "dear"))
CRITICAL = {"negawatt.dev/latency-critical": "true"}


def queue(count: int):
    """Give so many pods that wait together."""
    return [task(f"q{number}", 500, GIBIBYTE) for number in range(count)]


def test_an_annotation_after_the_bind_takes_no_second_booking() -> None:
    """Network plugins annotate every pod once it is bound."""
    scene = CoreScene(*TWO)
    pods = queue(20)
    scene.waits(*pods)
    scene.solve()
    scene.binds(pods[0], "a")
    rule = scene.core._state.rankings.rule()
    before = rule.booked(pods[1]).tolist()
    annotated = replace(pods[0], node_name="a", annotations={"cni": "10.0.0.1"})
    scene.core.pod_changed(key_of(annotated), annotated)
    scene.core.pod_changed(key_of(annotated), replace(annotated, terminating=True))
    assert rule.booked(pods[1]).tolist() == before


def test_a_pod_made_anew_is_not_explained_by_the_decision_of_the_one_before() -> None:
    """A StatefulSet makes its pods anew under their names."""
    scene = CoreScene(*TWO)
    first, second = task("web-0", uid="one"), task("web-0", uid="two")
    scene.binds(first, "b")
    scene.goes(first)
    assert scene.core.explain("shop", "web-0").state == "ended"
    scene.waits(second)
    found = scene.core.explain("shop", "web-0")
    assert (found.state, found.uid, found.node_chosen) == ("pending", "two", None)
    scene.binds(second, "a")
    found = scene.core.explain("shop", "web-0")
    assert (found.state, found.uid, found.node_chosen) == ("bound", "two", "a")


def test_a_pod_that_cannot_be_read_makes_its_node_no_better() -> None:
    """What was known of it stays; a node of which nothing is known is closed."""
    scene = CoreScene(*TWO)
    pod = task("p", 4000)
    scene.binds(pod, "a")
    scene.core.pod_unreadable(key_of(pod), "a")
    assert scene.cores()["a"] == 4.0
    assert scene.ended == []
    scene.core.pod_unreadable("shop/strange", "a")
    assert scene.scores(task("next")) == {"a": 0, "b": 10}
    scene.core.pod_changed("shop/strange", None)
    assert scene.scores(task("next"))["a"] == 10


def test_pods_of_a_namespace_that_opts_out_leave_the_queue() -> None:
    """Whenever that is told."""
    scene = CoreScene(*TWO)
    scene.waits(*queue(12))
    assert scene.core.figures().queue_pods == 12
    scene.core.namespace_changed("shop", {"negawatt.dev/ignore": "true"})
    assert scene.core.figures().queue_pods == 0


def test_another_namespace_costs_no_prices() -> None:
    """Namespaces come and go all day."""
    scene = CoreScene(*TWO)
    scene.waits(*queue(20))
    scene.solve()
    rule = scene.core._state.rankings.rule()
    scene.core.namespace_changed("other", {"kubernetes.io/metadata.name": "other"})
    scene.passes(2.0)
    assert scene.core._state.rankings.rule() is rule


@pytest.mark.parametrize("source", ["requests", "kubelet"])
def test_a_burst_of_critical_pods_respects_their_ceiling(source: str) -> None:
    """Pods that are assumed and cannot be measured yet count too."""
    scene = CoreScene(*TWO, utilisation_ceiling_ratio=0.7)
    if source != "requests":
        now = scene.clock.seconds
        load = {
            name: MeasuredLoad(cpu_cores=0.5, source=source, measured_at_seconds=now)
            for name in "ab"
        }
        scene.core.readings(load, None, {})
    chosen = []
    for number in range(7):
        pod = task(f"c{number}", 1000, labels=CRITICAL)
        scene.waits(pod)
        given = scene.scores(pod)
        chosen.append(max(given, key=given.get))
    assert chosen.count("a") == 5  # 5.6 of 8 cores are the ceiling
    assert scene.core.figures().assumed_pods == 7


def test_a_bind_where_we_see_no_room_is_no_success_of_ours() -> None:
    """It is counted as unknown, without watts."""
    scene = CoreScene(*TWO, mode="observe")
    scene.binds(task("full", 8000, 0), "a")
    scene.binds(task("full-too", 8000, 0), "b")
    scene.binds(task("more", 1000, 0), "a")
    assert scene.core.figures().decisions["observe", "unknown"] == 1
    assert scene.offered[-1].node_preferred is None


def test_pods_of_other_schedulers_are_only_watched() -> None:
    """An acting extender does not answer for what nobody asked it."""
    scene = CoreScene(*TWO)
    scene.binds(task("p", scheduler_name="default-scheduler"), "b")
    assert scene.core.figures().decisions == {("observe", "other"): 1}


def test_answers_are_kept_no_longer_than_they_are_of_use() -> None:
    """Whoever asks about pods that never come fills nothing."""
    scene = CoreScene(*TWO)
    for number in range(1500):
        scene.core.prioritize(json_of(task(f"ghost-{number}")), ["a", "b"])
    state = scene.core._state
    assert len(state._scored) <= 1000
    scene.passes(60.0)
    assert (len(state._scored), scene.core.figures().assumed_pods) == (0, 0)
    assert not state.rankings._came


def test_pods_without_requests_are_not_lured_by_small_full_servers() -> None:
    """Nothing is known of what they use, so they count as kube-scheduler counts them."""
    scene = CoreScene(*TWO)
    given = scene.scores(task("p", 0, 0))
    assert given == {"a": 10, "b": 9}


def test_an_explanation_names_the_ceiling_that_closed_a_node() -> None:
    """Or nobody could see why a dear node was chosen."""
    scene = CoreScene(*TWO)
    scene.binds(task("critical", 5000, labels=CRITICAL), "a")
    pod = task("p", 2000, annotations={"negawatt.dev/utilisation-ceiling-ratio": "7"})
    scene.waits(pod)
    found = scene.core.explain("shop", "p")
    assert found.node_preferred == "b"
    (closed,) = [candidate for candidate in found.candidates if candidate.node == "a"]
    assert "a utilisation ceiling closes it" in closed.reason
    assert any("'7', not a number above 0 and up to 1" in note for note in found.notes)


def test_a_pod_that_opted_out_is_explained_without_ranks() -> None:
    """Nobody ranked anything for it."""
    scene = CoreScene(*TWO)
    scene.binds(task("p", labels={"negawatt.dev/ignore": "true"}), "b")
    found = scene.core.explain("shop", "p")
    assert (found.node_chosen, found.node_preferred, found.candidates) == ("b", None, ())
