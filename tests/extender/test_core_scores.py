"""What the core answers kube-scheduler: ranks as scores, one for every name, whatever is asked."""

from __future__ import annotations

import pytest
from core_scenes import (
    CORES,
    GIBIBYTE,
    PROFILES,
    SERVER,
    CoreScene,
    json_of,
    server,
    straight,
    task,
)
from hypothesis import given
from hypothesis import strategies as st
from power_profile_files import profile_of

from cluster.model import Owner
from energy.catalogue import Catalogue
from extender.loads import MeasuredLoad
from extender.rankings import RULES
from extender.treatment import CEILING, IGNORE, LATENCY_CRITICAL, PART_OF

FLEET = [server("a"), server("b", "dear"), server("c", "worst"), server("d", "dear")]
CRITICAL = {LATENCY_CRITICAL: "true"}


def test_cheaper_classes_score_higher_and_nodes_alike_score_alike() -> None:
    """Ten for the best class, one less for each class after it."""
    assert CoreScene(*FLEET).scores(task("p")) == {"a": 10, "b": 9, "c": 8, "d": 9}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_answers_whole_numbers_from_0_to_10(rule: str) -> None:
    """In the order of the names, twice asked the same."""
    scene = CoreScene(*FLEET, rule=rule)
    names = ["c", "a", "nobody", "a"]
    scores = scene.core.prioritize(json_of(task("p")), names)
    assert all(type(score) is int and 0 <= score <= 10 for score in scores)
    assert scores[1] == scores[3] == 10
    assert scores[2] == 0


@given(
    kinds=st.lists(st.sampled_from(["good", "dear", "worst", "unknown"]), min_size=1, max_size=8),
    asked=st.lists(st.sampled_from([f"n{n}" for n in range(10)]), max_size=12),
    size=st.tuples(
        st.sampled_from([0, 1, 500, 4000, 200_000]), st.sampled_from([0, GIBIBYTE, 2**45])
    ),
    rule=st.sampled_from(RULES),
    sleep=st.booleans(),
    ratio=st.sampled_from([0.01, 0.3, 1.0]),
)
def test_each_name_asked_gets_its_score(kinds, asked, size, rule, sleep, ratio) -> None:
    """Whatever the fleet, the pod, the rule and the names, some of which nobody knows."""
    nodes = [server(f"n{number}", kind) for number, kind in enumerate(kinds)]
    scene = CoreScene(*nodes, rule=rule, nodes_may_sleep=sleep, usage_ratio=ratio)
    scores = scene.core.prioritize(json_of(task("p", *size)), asked)
    assert len(scores) == len(asked)
    known = {node.name for node in nodes}
    for name, score in zip(asked, scores, strict=True):
        assert type(score) is int
        assert 0 <= score <= 10
        assert name in known or score == 0
    if known & set(asked):
        assert max(scores) == 10


@given(st.permutations([node.name for node in FLEET]), st.permutations(FLEET))
def test_neither_the_order_of_names_nor_that_of_nodes_matters(names, nodes) -> None:
    """A score belongs to a node, not to a place."""
    scores = CoreScene(*nodes).scores(task("p"), names)
    assert scores == CoreScene(*FLEET).scores(task("p"), [node.name for node in FLEET])


def test_where_nothing_costs_anything_all_nodes_are_alike() -> None:
    """Servers that draw the same at any load: one rank, all 10, and the scheduler packs."""
    scene = CoreScene(*FLEET, rule="marginal")
    flat = [
        profile_of(kind, {SERVER: kind}, load_level_watts=straight(watts, watts))
        for kind, watts in {"good": 50, "dear": 200, "worst": 700}.items()
    ]
    scene.core.catalogue_changed(Catalogue.shipped().with_power_profiles(flat))
    scene.passes(1.0)
    assert set(scene.scores(task("p")).values()) == {10}


def test_before_any_node_is_known_nobody_is_preferred() -> None:
    """And readiness says why; figures do not fail."""
    scene = CoreScene()
    assert scene.scores(task("p"), ["a", "b"]) == {"a": 0, "b": 0}
    assert not scene.core.readiness().ready
    assert scene.core.figures().unscored == {"no-nodes": 1}
    assert scene.core.explain("shop", "p") is None
    assert scene.core.filter(json_of(task("p")), ["a"]) == {}


def test_before_the_first_lists_nobody_is_preferred() -> None:
    """Half a list would make the nodes whose pods are not there yet look empty."""
    scene = CoreScene(*FLEET, live=False)
    assert set(scene.scores(task("p"), ["a", "b"]).values()) == {0}
    assert not scene.core.readiness().ready
    scene.core.went_live()
    assert scene.core.readiness().ready
    assert scene.scores(task("p"))["a"] == 10


@pytest.mark.parametrize(
    "pod",
    [{}, {"metadata": None}, {"metadata": []}, {"metadata": {"name": 5}, "spec": 7}],
)
def test_what_is_no_pod_is_answered_with_equal_scores(pod) -> None:
    """A decision that cannot be made is no opinion."""
    scene = CoreScene(*FLEET)
    assert len(set(scene.core.prioritize(pod, ["a", "b"]))) == 1
    assert scene.core.figures().unscored
    assert scene.core.filter(pod, ["a", "b"]) == {}
    assert scene.core.figures().assumed_pods == 0


def test_scores_given_are_counted() -> None:
    """By score."""
    scene = CoreScene(*FLEET)
    scene.scores(task("p"), ["a", "b", "nobody"])
    assert scene.core.figures().scores == {10: 1, 9: 1, 0: 1}


def test_observing_influences_nothing() -> None:
    """Every score is the same, nothing is filtered, nothing is assumed; and it is counted."""
    scene = CoreScene(*FLEET, mode="observe")
    pod = task("p", labels=CRITICAL)
    scene.waits(pod)
    scene.binds(task("hot", 7900), "a")
    assert len(set(scene.scores(pod).values())) == 1
    assert scene.core.filter(json_of(pod), ["a", "b"]) == {}
    assert scene.core.figures().assumed_pods == 0
    assert scene.core.figures().unscored == {"observing": 1}


#: Pods that are left alone, with why.
SKIPPED = [
    pytest.param(task("p", labels={IGNORE: "true"}), id="label"),
    pytest.param(task("p", annotations={IGNORE: "true"}), id="annotation"),
    pytest.param(task("p", namespace="quiet"), id="namespace"),
    pytest.param(task("p", labels={PART_OF: "negawatt"}), id="ours"),
    pytest.param(task("p", owner=Owner(kind="DaemonSet", name="d")), id="DaemonSet"),
]


@pytest.mark.parametrize("pod", SKIPPED)
@pytest.mark.parametrize("mode", ["act", "observe"])
def test_who_is_left_alone_is_neither_ranked_nor_judged(pod, mode) -> None:
    """Nor filtered, nor in the queue; its room on the node counts all the same."""
    scene = CoreScene(*FLEET, mode=mode)
    scene.core.namespace_changed("quiet", {IGNORE: "true"})
    scene.waits(pod)
    assert len(set(scene.scores(pod).values())) == 1
    assert scene.core.filter(json_of(pod), ["a", "b"]) == {}
    figures = scene.core.figures()
    assert (figures.queue_pods, figures.assumed_pods) == (0, 0)
    scene.binds(pod, "c")
    assert scene.offered == []
    assert scene.core.figures().decisions == {(mode, "skipped"): 1}
    assert scene.core.figures().forgone == {}
    assert scene.cores()["c"] == 1.0


def test_a_skipped_pod_is_explained_by_why_it_was() -> None:
    """For whoever wonders."""
    scene = CoreScene(*FLEET)
    pod = task("p", labels={IGNORE: "true"})
    scene.waits(pod)
    assert IGNORE in scene.core.explain("shop", "p").skipped
    scene.binds(pod, "c")
    assert IGNORE in scene.core.explain("shop", "p").skipped


class TestCeilings:
    """Nodes with latency-critical pods are packed to a ceiling, 70 % unless said otherwise."""

    def test_a_critical_pod_does_not_go_above_its_ceiling_where_another_node_is_open(self) -> None:
        """The good node is the cheapest, and 5 of 8 cores are in use there."""
        scene = CoreScene(*FLEET)
        scene.binds(task("q", 5000), "a")
        assert scene.scores(task("p", 500, labels=CRITICAL))["a"] == 10  # 5.5 of 8 are 69 %
        scores = scene.scores(task("p", 700, labels=CRITICAL))
        assert scores == {"a": 0, "b": 10, "c": 9, "d": 10}

    def test_nor_does_any_other_pod_push_it_above(self) -> None:
        """The ceiling is the node's as long as the critical pod is there."""
        scene = CoreScene(*FLEET)
        critical = task("critical", 5000, labels=CRITICAL)
        scene.binds(critical, "a")
        assert scene.scores(task("p", 700))["a"] == 0
        scene.goes(critical)
        assert scene.scores(task("q", 700))["a"] == 10

    def test_a_pod_may_say_its_own(self) -> None:
        """The least of those on the node counts."""
        scene = CoreScene(*FLEET)
        scene.binds(task("c1", 2000, annotations={CEILING: "0.9"}), "a")
        assert scene.scores(task("p", 1000))["a"] == 10
        scene.binds(task("c2", 100, annotations={CEILING: "0.3"}), "a")
        assert scene.scores(task("p", 1000))["a"] == 0

    def test_measured_load_counts(self) -> None:
        """Pods may use more than they request."""
        scene = CoreScene(*FLEET)
        load = MeasuredLoad(
            cpu_cores=5.5, source="prometheus", measured_at_seconds=scene.clock.seconds
        )
        scene.core.readings({"a": load}, None, {})
        assert scene.scores(task("p", 500, labels=CRITICAL))["a"] == 0
        scene.passes(121.0)  # too old, and nothing is requested
        assert scene.scores(task("p", 500, labels=CRITICAL))["a"] == 10

    def test_where_all_are_above_it_all_are_alike(self) -> None:
        """The pod has to run somewhere, and the scheduler spreads as it will."""
        scene = CoreScene(*FLEET)
        pod = task("p", 7000, labels=CRITICAL)
        assert set(scene.scores(pod).values()) == {0}
        assert scene.core.filter(json_of(pod), ["a", "b", "c", "d"]) == {}

    def test_the_filter_closes_what_is_above_it_and_names_why(self) -> None:
        """As long as that is not every node asked for."""
        scene = CoreScene(*FLEET)
        scene.binds(task("q", 5000), "a")
        pod = json_of(task("p", 700, labels=CRITICAL))
        assert list(scene.core.filter(pod, ["a", "b"])) == ["a"]
        assert scene.core.filter(pod, ["a"]) == {}
        assert scene.core.filter(pod, ["a", "nobody"]) == {}  # a node unknown to us attracts nobody

    def test_a_namespace_may_ask_for_it_and_may_be_told_of_late(self) -> None:
        """Its labels come by an informer of their own, maybe after its pods."""
        scene = CoreScene(*FLEET, live=False)
        scene.binds(task("critical", 5000, namespace="bank"), "a")
        scene.core.namespace_changed("bank", CRITICAL)
        scene.core.went_live()
        assert scene.scores(task("p", 700))["a"] == 0
        scene.core.namespace_changed("bank", {})
        scene.passes(1.0)
        assert scene.scores(task("q", 700))["a"] == 10

    @given(
        placed=st.lists(
            st.tuples(st.integers(0, 3), st.integers(100, 4000), st.booleans()), max_size=12
        ),
        cpu=st.integers(100, 6000),
        critical=st.booleans(),
    )
    def test_no_ceiling_is_crossed_where_a_node_is_open(self, placed, cpu, critical) -> None:
        """Against plain sums."""
        scene = CoreScene(*FLEET)
        names = [node.name for node in FLEET]
        used, careful = dict.fromkeys(names, 0), dict.fromkeys(names, critical)
        for number, (place, cores, is_critical) in enumerate(placed):
            labels = CRITICAL if is_critical else {}
            scene.binds(task(f"q{number}", cores, labels=labels), names[place])
            used[names[place]] += cores
            careful[names[place]] |= is_critical
        over = {n for n in names if careful[n] and used[n] + cpu > 0.7 * CORES * 1000 + 1e-6}
        pod = task("p", cpu, labels=CRITICAL if critical else {})
        scores = scene.scores(pod)
        if over != set(names):
            assert {name for name, score in scores.items() if score == 0} == over
            assert scores[max(scores, key=scores.get)] == 10
        filtered = scene.core.filter(json_of(pod), names)
        assert set(filtered) == (over if over != set(names) else set())


def test_written_profiles_change_the_ranks() -> None:
    """An operator says that the good servers draw more than all others."""
    scene = CoreScene(*FLEET)
    hungry = profile_of("good", {SERVER: "good"}, load_level_watts=straight(40, 5000))
    scene.core.catalogue_changed(Catalogue.shipped().with_power_profiles([hungry, *PROFILES[1:]]))
    scene.passes(1.0)
    scores = scene.scores(task("p"))
    assert scores["a"] < scores["c"] < scores["b"] == 10


def test_an_informers_copy_is_taken_only_of_the_same_pod() -> None:
    """Another pod of the name came, and the scheduler knew before we did."""
    scene = CoreScene(*FLEET)
    old = task("p", labels={IGNORE: "true"})
    scene.waits(old)
    assert set(scene.scores(old).values()) == {0}
    assert scene.scores(task("p"))["a"] == 10
