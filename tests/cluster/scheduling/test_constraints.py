"""Constraints case by case, where random clusters seldom lead."""

from __future__ import annotations

import pytest
from model_objects import node, pod, table_of

from cluster.constraints import (
    Affinity,
    HostPort,
    NodeAffinity,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    Taint,
    TaintEffect,
    Toleration,
    TolerationOperator,
    TopologySpreadConstraint,
    WhenUnsatisfiable,
)
from cluster.model import Pod
from cluster.scheduling.feasibility import feasible, reasons, summary
from cluster.scheduling.profile import SchedulerProfile
from cluster.scheduling.scheduler import schedule_one, why_pending
from cluster.scheduling.scores import pod_topology_spread
from cluster.scheduling.tie import TieState
from cluster.selectors import LabelSelector, Operator, Requirement

ZONES = [
    node("a", labels={"zone": "1"}),
    node("b", labels={"zone": "2"}),
    node("bare"),
]
WEB = LabelSelector.of({"app": "web"})


def beside(
    selector: LabelSelector | None = WEB, *, anti: bool = False, key: str = "zone"
) -> Affinity:
    """Give a required term towards, or away from, the pods of a selector."""
    wish = PodAffinity(required=(PodAffinityTerm(topology_key=key, label_selector=selector),))
    return Affinity(pod_anti=wish) if anti else Affinity(pod=wish)


def test_the_first_pod_of_a_group_that_wants_itself_goes_to_any_labelled_node() -> None:
    """Otherwise none of the group could ever start; the second then follows the first."""
    wanting = pod(1, labels={"app": "web"}, affinity=beside())
    table = table_of(ZONES)
    assert feasible(table, wanting).tolist() == [True, True, False]
    table.assign(wanting, 1)
    assert feasible(table, wanting).tolist() == [False, True, False]


def test_a_pod_that_wants_others_waits_for_them() -> None:
    """The exception is only for pods that match their own terms."""
    assert feasible(table_of(ZONES), pod(1, affinity=beside())).tolist() == [False] * 3


def test_company_on_a_node_without_the_label_does_not_count() -> None:
    """Nor does it end the exception for the first pod of a group."""
    wanting = pod(1, labels={"app": "web"}, affinity=beside())
    table = table_of(ZONES, {"bare": [wanting]})
    assert feasible(table, wanting).tolist() == [True, True, False]


def test_anti_affinity_holds_in_both_directions() -> None:
    """The pod that shuns keeps the others away, even when they shun nobody."""
    shunning = pod(1, affinity=beside(anti=True))
    plain = pod(1, labels={"app": "web"})
    table = table_of(ZONES, {"a": [shunning], "b": [plain]})
    assert feasible(table, plain).tolist() == [False, True, True]
    assert feasible(table, shunning).tolist() == [True, False, True]


def test_a_pod_counts_for_affinity_only_if_it_matches_all_terms() -> None:
    """Two pods that match one term each are no company."""
    wish = PodAffinity(
        required=(
            PodAffinityTerm(topology_key="zone", label_selector=WEB),
            PodAffinityTerm(topology_key="zone", label_selector=LabelSelector.of({"rev": "1"})),
        )
    )
    wanting = pod(1, affinity=Affinity(pod=wish))
    one, two = pod(labels={"app": "web"}), pod(labels={"rev": "1"})
    assert not feasible(table_of(ZONES, {"a": [one, two]}), wanting).any()
    both = pod(labels={"app": "web", "rev": "1"})
    assert feasible(table_of(ZONES, {"a": [both]}), wanting).tolist() == [True, False, False]


def test_match_label_keys_narrow_an_affinity_to_the_pods_own_revision() -> None:
    """A rolling update does not count the pods of the old revision."""
    term = PodAffinityTerm(topology_key="zone", label_selector=WEB, match_label_keys=("rev",))
    new = pod(labels={"app": "web", "rev": "2"}, affinity=Affinity(pod_anti=_only(term)))
    old = pod(labels={"app": "web", "rev": "1"})
    table = table_of(ZONES, {"a": [old], "b": [new]})
    assert feasible(table, new).tolist() == [True, False, True]
    other = PodAffinityTerm(topology_key="zone", label_selector=WEB, mismatch_label_keys=("rev",))
    away = pod(labels={"app": "web", "rev": "2"}, affinity=Affinity(pod_anti=_only(other)))
    assert feasible(table_of(ZONES, {"a": [old], "b": [away]}), away).tolist() == [
        False,
        True,
        True,
    ]


def _only(term: PodAffinityTerm) -> PodAffinity:
    return PodAffinity(required=(term,))


def test_a_terminating_pod_no_longer_counts_for_spreading() -> None:
    """Its place is about to be free."""
    hard = TopologySpreadConstraint(topology_key="zone", label_selector=WEB)
    web = pod(labels={"app": "web"}, topology_spread=(hard,))
    leaving = pod(labels={"app": "web"}, terminating=True)
    assert feasible(table_of(ZONES, {"a": [web]}), web).tolist() == [False, True, False]
    assert feasible(table_of(ZONES, {"a": [leaving]}), web).tolist() == [True, True, False]


def test_too_few_domains_count_as_an_empty_one() -> None:
    """With minDomains 3 and two zones, one pod a zone is all that fits."""
    hard = TopologySpreadConstraint(topology_key="zone", label_selector=WEB, min_domains=3)
    web = pod(labels={"app": "web"}, topology_spread=(hard,))
    assert not feasible(table_of(ZONES, {"a": [web], "b": [web]}), web).any()


def test_pods_of_a_service_spread_by_default_and_others_do_not() -> None:
    """The system's own soft constraints want a selector of the pod's Services or controller."""
    host = "kubernetes.io/hostname"
    nodes = [node("a", labels={host: "a"}), node("b", labels={host: "b"})]
    web = pod(labels={"app": "web"}, default_spread_selector=WEB)
    table = table_of(nodes, {"a": [web]})
    spread = pod_topology_spread(table, web, slice(None))
    assert spread is not None
    assert spread[1] == 100
    assert spread[0] < 100
    assert pod_topology_spread(table, web, slice(None), system_defaults=False) is None
    assert pod_topology_spread(table, pod(labels={"app": "web"}), slice(None)) is None


def test_a_soft_constraint_never_forbids() -> None:
    """ScheduleAnyway is a matter of scores."""
    soft = TopologySpreadConstraint(
        topology_key="zone",
        label_selector=WEB,
        when_unsatisfiable=WhenUnsatisfiable.SCHEDULE_ANYWAY,
    )
    web = pod(labels={"app": "web"}, topology_spread=(soft,))
    assert feasible(table_of(ZONES, {"a": [web] * 5}), web).all()


@pytest.mark.parametrize(
    ("wanted", "taken", "fits"),
    [
        (["UDP/127.0.0.1/8080"], ["UDP/127.0.0.1/9090"], True),
        (["UDP/127.0.0.1/8080"], ["UDP/127.0.0.1/8080"], False),
        (["TCP/127.0.0.1/8080"], ["TCP/127.0.0.2/8080"], True),
        (["UDP/127.0.0.1/8080"], ["TCP/127.0.0.1/8080"], True),
        (["UDP/127.0.0.1/8000", "UDP/127.0.0.1/8080"], ["UDP/127.0.0.1/8080"], False),
        (["TCP/0.0.0.0/8001"], ["TCP/127.0.0.1/8001"], False),
        (["TCP/127.0.0.1/8001"], ["TCP/0.0.0.0/8001"], False),
        (["UDP/127.0.0.1/8001"], ["TCP/0.0.0.0/8001"], True),
        (["UDP/127.0.0.1/8001"], ["TCP/0.0.0.0/8001", "UDP/0.0.0.0/8001"], False),
    ],
)
def test_host_ports_collide_as_in_kube_schedulers_tests(
    wanted: list[str], taken: list[str], *, fits: bool
) -> None:
    """Facts of TestNodePorts (node_ports_test.go)."""

    def with_ports(texts: list[str]) -> Pod:
        parts = [text.split("/") for text in texts]
        return pod(host_ports=tuple(HostPort(int(p), proto, ip) for proto, ip, p in parts))

    table = table_of([node("n")], {"n": [with_ports(taken)]})
    assert feasible(table, with_ports(wanted)).tolist() == [fits]


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        (Toleration("a", value="x"), True),
        (Toleration("a", value="y"), False),
        (Toleration("a", TolerationOperator.EXISTS), True),
        (Toleration("", TolerationOperator.EXISTS), True),
        (Toleration("b", TolerationOperator.EXISTS), False),
        (Toleration("a", value="x", effect=TaintEffect.NO_EXECUTE), False),
        (Toleration("a", value="x", effect=TaintEffect.NO_SCHEDULE), True),
    ],
)
def test_a_toleration_covers_taints_as_in_kubernetes(
    toleration: Toleration, *, covers: bool
) -> None:
    """Key, value and effect, each of which may be left open."""
    assert toleration.tolerates(Taint("a", "x", TaintEffect.NO_SCHEDULE)) is covers


def test_a_cordoned_node_takes_only_pods_that_tolerate_it() -> None:
    """Sleeping nodes are cordoned; a node agent still gets there."""
    table = table_of([node("n", unschedulable=True), node("m")])
    agent = pod(tolerations=(Toleration("node.kubernetes.io/unschedulable", value=""),))
    assert feasible(table, pod()).tolist() == [False, True]
    assert feasible(table, agent).tolist() == [True, True]
    table.uncordon(0)
    table.cordon(1)
    assert feasible(table, pod()).tolist() == [True, False]


def test_a_profile_can_enforce_node_affinity_on_every_pod() -> None:
    """AddedAffinity's required terms filter, with a reason of their own."""
    zoned = NodeSelectorTerm(match_expressions=(Requirement("zone", Operator.EXISTS),))
    profile = SchedulerProfile(added_affinity=NodeAffinity(required=(zoned,)))
    table = table_of(ZONES)
    placement = schedule_one(table, pod(), profile, TieState())
    assert placement is not None
    assert placement.feasible_count == 2
    nowhere = SchedulerProfile(added_affinity=NodeAffinity(required=()))
    assert schedule_one(table, pod(), nowhere, TieState()) is None
    expected = "0/3 nodes are available: 3 node(s) didn't match scheduler-enforced node affinity."
    assert why_pending(table, pod(), nowhere) == expected


def test_reasons_name_every_resource_that_is_short() -> None:
    """The words are kube-scheduler's, sorted and counted like its own sentence."""
    table = table_of([node("n", 10, 10, pods_max=0), node("m", 10)])
    found = reasons(table, pod(20, 20, gpu=1))
    assert found[0] == (
        "Too many pods",
        "Insufficient cpu",
        "Insufficient memory",
        "Insufficient example.com/gpu",
    )
    assert summary(found) == (
        "0/2 nodes are available: 1 Insufficient memory, 1 Too many pods, "
        "2 Insufficient cpu, 2 Insufficient example.com/gpu."
    )


def test_a_pod_without_requests_still_fits_an_overcommitted_node() -> None:
    """What is not requested is not checked."""
    table = table_of([node("n", 10, 10)], {"n": [pod(20, 20)]})
    assert feasible(table, pod()).tolist() == [True]
    assert feasible(table, pod(1)).tolist() == [False]


def test_a_pod_that_names_its_node_goes_there_or_nowhere() -> None:
    """Whether or not the node exists; the reason is the NodeName plugin's."""
    table = table_of(ZONES)
    assert feasible(table, pod(node_name="b")).tolist() == [False, True, False]
    assert why_pending(table, pod(node_name="gone"), SchedulerProfile.default()) == (
        "0/3 nodes are available: 3 node(s) didn't match the requested node name."
    )
    assert why_pending(table, pod(node_name="b"), SchedulerProfile.default()) == ""
