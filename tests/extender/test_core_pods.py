"""Where the core takes pods to stand: bound, assumed, resized, finished, replaced."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_scenes import CORES, GIBIBYTE, CoreScene, json_of, key_of, server, task
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from model_objects import table_of

from cluster.model import Pod, Resources
from cluster.scheduling.feasibility import feasible
from extender.rankings import RULES
from extender.scoring import most_allocated

TWO = (server("a"), server("b", "dear"))


class Scheduler:
    """kube-scheduler as far as it matters here: its own cache, our scores, MostAllocated."""

    def __init__(self, scene: CoreScene, nodes) -> None:
        self.scene, self.table = scene, table_of(list(nodes))

    def place(self, pod: Pod) -> str | None:
        """Choose a node, and assume the pod there; the extender is told of no bind."""
        rows = feasible(self.table, pod).nonzero()[0]
        names = [self.table.nodes[row].name for row in rows]
        if not names:
            return None
        given = self.scene.core.prioritize(json_of(pod), names)
        points = most_allocated(self.table, pod, rows)
        best = max(
            range(len(names)), key=lambda place: (210 * given[place] + points[place], -place)
        )
        self.table.assign(pod, int(rows[best]))
        return names[best]


@pytest.mark.parametrize("rule", RULES)
def test_a_burst_that_is_scored_before_any_bind_does_not_herd(rule: str) -> None:
    """The core assumes each pod where the scheduler puts it, so that both see the same room."""
    nodes = [server("a"), server("b", "dear"), server("c"), server("d", "worst")]
    scene = CoreScene(*nodes, rule=rule)
    scheduler = Scheduler(scene, nodes)
    pods = [task(f"p{number}", 1500, 2 * GIBIBYTE) for number in range(22)]
    scene.waits(*pods)
    placed = [scheduler.place(pod) for pod in pods]
    assert placed.count(None) == 2  # five fit on each node
    requested = scheduler.table.requested_cpu_millicores / 1000
    assert scene.cores() == {f"{n}": c for n, c in zip("abcd", requested.tolist(), strict=True)}
    assert scene.core.figures().assumed_pods == 20


def test_a_pod_that_informers_do_not_know_yet_is_assumed_too() -> None:
    """The scheduler's informers may be quicker than ours."""
    scene = CoreScene(*TWO)
    scene.scores(task("p", 3000))
    assert scene.cores() == {"a": 3.0, "b": 0.0}


def test_asked_again_about_a_pod_the_core_moves_it() -> None:
    """A pod that found no node the first time is not counted twice."""
    scene = CoreScene(*TWO)
    pod = task("p", 3000)
    scene.waits(pod)
    scene.scores(pod)
    scene.scores(pod, ["b"])
    assert scene.cores() == {"a": 0.0, "b": 3.0}
    assert scene.core.figures().assumed_pods == 1


def test_the_filter_does_not_count_a_pod_against_itself() -> None:
    """Asked again, its earlier place is no reason to close the node."""
    scene = CoreScene(*TWO)
    pod = task("p", 4000, labels={"negawatt.dev/latency-critical": "true"})
    scene.waits(pod)
    assert scene.scores(pod)["a"] == 10
    assert scene.core.filter(json_of(pod), ["a", "b"]) == {}


class TestAssumptions:
    """An assumption ends by a bind, a deletion, or time."""

    def test_it_ends_where_the_pod_was_bound(self) -> None:
        """Be it elsewhere."""
        scene = CoreScene(*TWO)
        pod = task("p", 3000)
        scene.waits(pod)
        scene.scores(pod)
        scene.binds(pod, "b")
        assert scene.cores() == {"a": 0.0, "b": 3.0}
        assert (scene.core.figures().assumed_pods, scene.core.figures().pods) == (0, 1)
        scene.passes(100.0)
        assert scene.cores() == {"a": 0.0, "b": 3.0}
        assert scene.core.figures().assumed_expired == 0

    def test_it_ends_with_the_pod(self) -> None:
        """Deleted before it was bound."""
        scene = CoreScene(*TWO)
        pod = task("p", 3000)
        scene.waits(pod)
        scene.scores(pod)
        scene.goes(pod)
        assert scene.cores() == {"a": 0.0, "b": 0.0}
        assert scene.core.figures().assumed_pods == 0

    def test_it_ends_by_time_and_the_pod_waits_again(self) -> None:
        """Ten seconds, unless told otherwise; then it is in the queue again."""
        scene = CoreScene(*TWO, assume_seconds=30.0)
        pod = task("p", 3000)
        scene.waits(pod)
        scene.scores(pod)
        assert scene.core.figures().queue_pods == 0
        scene.passes(29.9)
        assert scene.cores()["a"] == 3.0
        scene.passes(0.2)
        assert scene.cores()["a"] == 0.0
        figures = scene.core.figures()
        assert (figures.assumed_expired, figures.queue_pods) == (1, 1)

    def test_a_change_of_a_waiting_pod_does_not_end_it(self) -> None:
        """The scheduler writes conditions to pods that it could not place at once."""
        scene = CoreScene(*TWO)
        pod = task("p", 3000)
        scene.waits(pod)
        scene.scores(pod)
        scene.waits(replace(pod, refused=True))
        assert scene.cores()["a"] == 3.0
        assert scene.core.figures().queue_pods == 0

    def test_explaining_does_not_prolong_it(self) -> None:
        """Nor does it move the pod."""
        scene = CoreScene(*TWO)
        first, second = task("p1", 3000), task("p2", 1000)
        scene.waits(first, second)
        scene.scores(first)
        scene.passes(5.0)
        scene.scores(second)
        assert scene.core.explain("shop", "p1").state == "scored"
        assert scene.cores()["a"] == 4.0
        scene.passes(5.1)
        assert scene.cores()["a"] == 1.0


def test_a_finished_pod_frees_its_room() -> None:
    """Before anybody deletes it."""
    scene = CoreScene(*TWO)
    pod = task("p", 3000)
    scene.binds(pod, "a")
    scene.core.pod_changed(key_of(pod), replace(pod, node_name="a", phase="Succeeded"))
    assert scene.cores()["a"] == 0.0
    scene.goes(pod)
    assert scene.cores()["a"] == 0.0


def test_a_pod_is_resized_in_place() -> None:
    """Its room follows, it is judged once, and prices go on being solved."""
    scene = CoreScene(*TWO)
    pod = task("p", 1000)
    scene.binds(pod, "a")
    resized = replace(pod, requests=Resources(cpu_millicores=5000, memory_bytes=GIBIBYTE))
    scene.binds(resized, "a")
    assert scene.cores()["a"] == 5.0
    assert len(scene.offered) == 1
    scene.goes(resized)
    assert scene.cores()["a"] == 0.0
    scene.binds(task("q", 2000), "a")
    scene.solve()
    assert scene.core.figures().price_solves == {"solved": 1}


def test_a_change_of_status_alone_is_no_decision() -> None:
    """A bound pod is told of again and again."""
    scene = CoreScene(*TWO)
    pod = task("p")
    for phase in ("Pending", "Running", "Running"):
        scene.binds(replace(pod, phase=phase), "b")
    assert len(scene.offered) == 1
    assert scene.cores()["b"] == 1.0


@pytest.mark.parametrize("waits_first", [False, True], ids=["bound", "waits"])
def test_another_pod_of_the_same_name_is_another_pod(waits_first) -> None:
    """A StatefulSet's, whose predecessor's deletion was missed while the watch was down."""
    scene = CoreScene(*TWO)
    first, second = task("db-0", 3000), task("db-0", 1000)
    scene.binds(first, "a")
    scene.passes(60.0)
    if waits_first:
        scene.waits(second)
        assert scene.cores() == {"a": 0.0, "b": 0.0}
        assert scene.core.figures().queue_pods == 1
    scene.binds(second, "a")
    assert scene.cores() == {"a": 1.0, "b": 0.0}
    assert [decision.uid for decision in scene.offered] == [first.uid, second.uid]
    assert scene.ended == [(first.uid, scene.clock.seconds)]


class TestNodes:
    """Nodes come, change and go."""

    def test_a_node_that_is_gone_is_no_candidate_and_comes_back_with_its_pods(self) -> None:
        """Pods of a deleted node are told gone later, if at all."""
        scene = CoreScene(*TWO)
        scene.binds(task("p", 3000), "a")
        scene.core.node_changed(TWO[0], None)
        scene.passes(1.0)
        assert scene.scores(task("q"), ["a", "b"]) == {"a": 0, "b": 10}
        assert scene.cores() == {"b": 1.0}  # q is assumed there
        scene.core.node_changed(None, TWO[0])
        scene.passes(1.0)
        assert scene.cores() == {"a": 3.0, "b": 1.0}
        assert scene.scores(task("r"))["a"] == 10

    def test_all_nodes_may_go_and_come_back(self) -> None:
        """A control plane that is restored from nothing."""
        scene = CoreScene(*TWO)
        scene.binds(task("p", 3000), "a")
        for node in TWO:
            scene.core.node_changed(node, None)
        scene.passes(1.0)
        assert not scene.core.readiness().ready
        assert scene.core.explain("shop", "p") is not None
        assert scene.scores(task("q"), ["a"]) == {"a": 0}
        scene.binds(task("r", 1000), "b")
        for node in TWO:
            scene.core.node_changed(None, node)
        scene.passes(1.0)
        assert scene.cores() == {"a": 3.0, "b": 1.0}

    def test_a_node_without_cpu_is_not_ranked_until_it_has_some(self) -> None:
        """A kubelet that has not said yet what it offers."""
        empty = server("a", cores=0)
        scene = CoreScene(empty, TWO[1])
        assert scene.scores(task("p"), ["a", "b"]) == {"a": 0, "b": 10}
        scene.core.node_changed(empty, replace(empty, labels={"new": "label"}))
        scene.passes(1.0)
        scene.core.node_changed(empty, TWO[0])
        scene.passes(1.0)
        assert scene.scores(task("q"), ["a", "b"]) == {"a": 10, "b": 9}
        scene.core.node_changed(TWO[0], empty)
        scene.passes(1.0)
        assert scene.scores(task("r"), ["a", "b"]) == {"a": 0, "b": 10}

    def test_a_node_that_grows_has_the_new_size(self) -> None:
        """Its class changes with it."""
        scene = CoreScene(*TWO)
        scene.binds(task("p", 4000), "a")
        scene.core.node_changed(TWO[0], server("a", cores=16))
        scene.passes(1.0)
        assert scene.core.figures().nodes["a"].utilisation_ratio == 0.25

    def test_a_cordon_keeps_the_prices(self) -> None:
        """It changes who may go there and not what a node costs: nothing is built anew."""
        scene = CoreScene(*TWO)
        scene.binds(task("p", 1000), "a")
        assert scene.solve() == 1
        scene.core.node_changed(TWO[0], replace(TWO[0], unschedulable=True))
        scene.passes(1.0)
        assert scene.solve() == 0
        waiting = task("q")
        scene.waits(waiting)
        assert scene.core.explain("shop", "q").node_preferred == "b"

    def test_a_node_that_serves_another_purpose_has_another_profile(self) -> None:
        """Its label says so; its pods stay."""
        scene = CoreScene(*TWO)
        scene.binds(task("p", 4000), "a")
        scene.core.node_changed(TWO[0], server("a", "worst"))
        scene.passes(1.0)
        assert scene.scores(task("q")) == {"a": 9, "b": 10}
        assert scene.core.figures().nodes["a"].predicted_watts == pytest.approx(500.0)

    def test_a_bind_to_a_node_that_came_this_moment_is_judged(self) -> None:
        """A node autoscaler's node takes pods at once."""
        scene = CoreScene(*TWO)
        scene.core.node_changed(None, server("new"))
        scene.binds(task("p", 2000), "new")
        assert [decision.node_chosen for decision in scene.offered] == ["new"]
        assert scene.cores()["new"] == 2.0

    def test_a_bind_that_is_told_before_its_node_is_counted_as_not_judged(self) -> None:
        """Informers are independent; the pod takes its room once the node is told of."""
        scene = CoreScene(*TWO)
        scene.binds(task("p", 2000), "new")
        assert scene.core.figures().decisions == {("act", "failed"): 1}
        scene.core.node_changed(None, server("new"))
        scene.passes(1.0)
        assert scene.cores()["new"] == 2.0


NAMES = ["a", "b", "c"]


class CoreMachine(RuleBasedStateMachine):
    """Any order of what informers tell and schedulers ask; the model is who is bound where."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = CoreScene(*(server(name) for name in NAMES))
        self.nodes = set(NAMES)
        self.pods: dict[str, Pod] = {}
        self.where: dict[str, str] = {}
        self.asked: set[str] = set()
        self.count = 0

    @rule(cpu=st.integers(0, 3000), ours=st.booleans(), critical=st.booleans())
    def create(self, cpu, ours, critical) -> None:
        """A pod waits."""
        name = f"p{self.count}"
        self.count += 1
        labels = {"negawatt.dev/latency-critical": "true"} if critical else {}
        scheduler = "negawatt" if ours else "default-scheduler"
        self.pods[name] = task(name, cpu, labels=labels, scheduler_name=scheduler)
        self.scene.waits(self.pods[name])

    @precondition(lambda self: len(self.pods) > len(self.where))
    @rule(data=st.data())
    def score(self, data) -> None:
        """The scheduler asks about a pod that waits."""
        name = data.draw(st.sampled_from(sorted(self.pods.keys() - self.where.keys())))
        names = data.draw(st.lists(st.sampled_from([*NAMES, "x"]), unique=True))
        scores = self.scene.scores(self.pods[name], names)
        assert all(0 <= score <= 10 for score in scores.values())
        self.asked.discard(name)
        if self.nodes & set(names):
            self.asked.add(name)

    @precondition(lambda self: len(self.pods) > len(self.where))
    @rule(data=st.data())
    def bind(self, data) -> None:
        """A scheduler binds a pod, asked or not."""
        name = data.draw(st.sampled_from(sorted(self.pods.keys() - self.where.keys())))
        node = data.draw(st.sampled_from(NAMES))
        self.where[name] = node
        self.asked.discard(name)
        self.scene.binds(self.pods[name], node)

    @precondition(lambda self: self.where)
    @rule(data=st.data(), cpu=st.integers(0, 3000))
    def resize(self, data, cpu) -> None:
        """A bound pod gets another size."""
        name = data.draw(st.sampled_from(sorted(self.where)))
        sizes = Resources(cpu_millicores=cpu, memory_bytes=GIBIBYTE)
        self.pods[name] = replace(self.pods[name], requests=sizes)
        self.scene.binds(self.pods[name], self.where[name])

    @precondition(lambda self: self.pods)
    @rule(data=st.data(), finishes=st.booleans())
    def end(self, data, finishes) -> None:
        """A pod finishes or is deleted."""
        name = data.draw(st.sampled_from(sorted(self.pods)))
        pod = self.pods.pop(name)
        if finishes and name in self.where:
            last = replace(pod, node_name=self.where[name], phase="Failed")
            self.scene.core.pod_changed(key_of(pod), last)
        else:
            self.scene.goes(pod)
        self.where.pop(name, None)
        self.asked.discard(name)

    @rule(name=st.sampled_from(NAMES))
    def node_goes_or_comes(self, name) -> None:
        """A node is deleted, or is there again."""
        gone = name in self.nodes
        self.scene.core.node_changed(*((server(name), None) if gone else (None, server(name))))
        self.nodes ^= {name}
        self.scene.passes(1.0)

    @rule(seconds=st.sampled_from([1.0, 30.0]))
    def time_passes(self, seconds) -> None:
        """Maybe so much that no assumption is left."""
        self.scene.passes(seconds)
        if seconds > 10.0:
            self.asked.clear()

    @precondition(lambda self: self.pods)
    @rule(data=st.data())
    def explain(self, data) -> None:
        """Somebody asks; that changes nothing."""
        name = data.draw(st.sampled_from(sorted(self.pods)))
        found = self.scene.core.explain("shop", name)
        assert found is not None or not self.nodes

    @rule()
    def solve(self) -> None:
        """Programs are solved."""
        self.scene.solve()

    @invariant()
    def bound_pods_count_where_they_are(self) -> None:
        """Without the assumed ones, of which each counts once at most."""
        figures = self.scene.core.figures()
        assert figures.pods == len(self.where)
        assert figures.assumed_pods <= len(self.asked)
        bound = dict.fromkeys(self.nodes, 0)
        for name, node in self.where.items():
            if node in bound:
                bound[node] += self.pods[name].requests.cpu_millicores
        # One without a request counts as kube-scheduler counts it, until it is bound.
        waiting = sum(self.pods[name].nonzero_cpu_millicores for name in self.asked)
        cores = self.scene.cores()
        assert cores.keys() == self.nodes
        for node, millicores in bound.items():
            assert cores[node] >= millicores / 1000 - 1e-6
        surplus = sum(cores.values()) - sum(bound.values()) / 1000
        assert surplus <= waiting / 1000 + 1e-6

    def teardown(self) -> None:
        """Let all pods go: nothing is left of them."""
        for pod in self.pods.values():
            self.scene.goes(pod)
        figures = self.scene.core.figures()
        assert (figures.pods, figures.assumed_pods, figures.queue_pods) == (0, 0, 0)
        assert set(self.scene.cores().values()) <= {0.0}
        assert all(one.watts == pytest.approx(0.0, abs=1e-6) for one in figures.forgone.values())
        ended = [uid for uid, _ in self.scene.ended]
        assert len(ended) == len(set(ended))
        assert {decision.uid for decision in self.scene.offered} <= set(ended)


TestCoreMachine = CoreMachine.TestCase
TestCoreMachine.settings = settings(stateful_step_count=25)


def test_cores_of_a_node_are_what_the_scene_says() -> None:
    """So that a slip of the tests' own would show."""
    scene = CoreScene(*TWO)
    scene.binds(task("p", CORES * 1000), "b")
    assert scene.cores() == {"a": 0.0, "b": 8.0}
