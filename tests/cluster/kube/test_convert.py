"""The API's JSON as values: what is understood, and what becomes of the rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cluster.constraints import (
    HostPort,
    NodeSelectorTerm,
    Taint,
    TaintEffect,
    Toleration,
    TolerationOperator,
    WhenUnsatisfiable,
)
from cluster.kube.convert import Reading, read_namespace, read_node, read_pod
from cluster.kube.snapshot import assemble
from cluster.model import Node, Owner, Pod, Resources
from cluster.selectors import LabelSelector, Operator, Requirement

MEBIBYTE = 1024**2
Json = dict[str, object]


def pod_json(*containers: Json, status: Json | None = None, **spec: object) -> Json:
    """Return a pod as JSON."""
    return {
        "metadata": {"namespace": "shop", "name": "web-1"},
        "spec": {"containers": list(containers) or [container("1")], **spec},
        "status": status or {},
    }


def container(cpu: str, memory: str = "64Mi", **more: object) -> Json:
    """Return a container as JSON, named after its CPU."""
    requests = {"cpu": cpu, "memory": memory}
    return {"name": f"c{cpu}", "resources": {"requests": requests}, **more}


def expression(key: str, operator: str, *values: str) -> Json:
    """Return one requirement of a selector as JSON."""
    return {"key": key, "operator": operator, "values": list(values)}


def read(item: Json) -> Pod:
    """Return a pod that is read without a doubt."""
    reading = read_pod(item)
    assert reading.doubts == ()
    assert reading.value is not None
    return reading.value


def test_init_containers_sidecars_and_overhead_are_counted_as_kubernetes_counts() -> None:
    """KEP-753: containers + sidecars, or the largest init stage beside earlier sidecars."""
    item = pod_json(
        container("500m", "100Mi"),
        initContainers=[
            container("100m", "10Mi", restartPolicy="Always"),
            container("2", "20Mi"),
            container("200m", "300Mi", restartPolicy="Always"),
        ],
        overhead={"cpu": "10m", "memory": "1Mi"},
    )

    # The second init container beside the first sidecar needs most CPU; running needs most memory.
    assert read(item).requests == Resources(cpu_millicores=2110, memory_bytes=411 * MEBIBYTE)


def test_a_pods_own_resources_replace_the_sum_of_its_containers() -> None:
    """Pod-level requests (beta since 1.34) win for CPU and memory, and overhead still adds."""
    item = pod_json(
        container("500m", "100Mi"),
        resources={"requests": {"cpu": "3"}},
        overhead={"cpu": "100m"},
    )

    assert read(item).requests == Resources(cpu_millicores=3100, memory_bytes=100 * MEBIBYTE)


def test_a_resize_counts_the_larger_of_wanted_and_held_unless_it_is_infeasible() -> None:
    """While a container shrinks it still holds what it had; an infeasible wish counts nothing."""
    held = {
        "containerStatuses": [
            {
                "name": "c1",
                "resources": {"requests": {"cpu": "2", "memory": "64Mi"}},
                "allocatedResources": {"cpu": "1500m", "memory": "64Mi"},
            }
        ]
    }
    infeasible = {"conditions": [{"type": "PodResizePending", "reason": "Infeasible"}]}
    greedy = pod_json({**container("9"), "name": "c1"}, status=held | infeasible)

    assert read(pod_json(container("1"), status=held)).requests.cpu_millicores == 2000
    assert read(greedy).requests.cpu_millicores == 2000


def test_a_resize_of_the_pods_own_resources_counts_alike() -> None:
    """The pod still holds three cores while it shrinks to one; memory was never the pod's own."""
    item = pod_json(
        container("500m", "100Mi"),
        resources={"requests": {"cpu": "1"}},
        status={"resources": {"requests": {"cpu": "3"}}, "allocatedResources": {"cpu": "1"}},
    )

    assert read(item).requests == Resources(cpu_millicores=3000, memory_bytes=100 * MEBIBYTE)


def test_extended_resources_and_pod_fields_arrive() -> None:
    """Every field that decides a placement is taken over under its own name."""
    item = {
        "metadata": {
            "namespace": "shop",
            "name": "web-1",
            "labels": {"app": "web"},
            "annotations": {"negawatt.dev/ignore": "true"},
            "deletionTimestamp": "2026-11-22T00:00:00Z",
            "ownerReferences": [
                {"kind": "Friend", "name": "no controller"},
                {"kind": "ReplicaSet", "name": "web", "controller": True},
            ],
        },
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "resources": {"requests": {"nvidia.com/gpu": "2", "ephemeral-storage": "1Gi"}},
                }
            ],
            "nodeName": "n1",
            "nodeSelector": {"disk": "ssd"},
            "priority": 7,
            "schedulerName": "negawatt",
        },
        "status": {"phase": "Running"},
    }

    pod = read(item)

    assert pod.requests.extended == {"nvidia.com/gpu": 2, "ephemeral-storage": 1024**3}
    assert (pod.labels, pod.node_selector) == ({"app": "web"}, {"disk": "ssd"})
    assert pod.annotations == {"negawatt.dev/ignore": "true"}
    assert pod.owner == Owner(kind="ReplicaSet", name="web")
    assert (pod.node_name, pod.priority, pod.scheduler_name) == ("n1", 7, "negawatt")
    assert (pod.phase, pod.terminating) == ("Running", True)


def test_only_ports_that_take_something_from_the_node_are_host_ports() -> None:
    """Containers and sidecars count, init containers and container ports do not."""
    item = pod_json(
        container("1", ports=[{"containerPort": 80}, {"containerPort": 80, "hostPort": 8080}]),
        initContainers=[
            container("2", ports=[{"containerPort": 1, "hostPort": 1}]),
            container(
                "3",
                restartPolicy="Always",
                ports=[
                    {"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "10.0.0.1"}
                ],
            ),
        ],
    )

    assert read(item).host_ports == (HostPort(53, "UDP", "10.0.0.1"), HostPort(8080))


def test_affinity_keeps_the_difference_between_absent_and_empty_selectors() -> None:
    """An absent selector matches nothing and an empty one everything: null is not {}."""
    term = {"topologyKey": "zone", "labelSelector": None, "namespaceSelector": {}}
    item = pod_json(
        affinity={
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["3"]}]},
                        {
                            "matchFields": [
                                {"key": "metadata.name", "operator": "In", "values": ["n"]}
                            ]
                        },
                    ]
                }
            },
        }
    )

    affinity = read(item).affinity

    assert affinity is not None
    assert affinity.pod_anti is not None
    assert affinity.pod_anti.required[0].label_selector is None
    assert affinity.pod_anti.required[0].namespace_selector == LabelSelector()
    assert affinity.node is not None
    assert affinity.node.required == (
        NodeSelectorTerm(match_expressions=(Requirement("a", Operator.GREATER_THAN, ("3",)),)),
        NodeSelectorTerm(match_fields=(Requirement("metadata.name", Operator.IN, ("n",)),)),
    )


def test_a_required_term_that_cannot_be_evaluated_matches_no_node_and_says_so() -> None:
    """A new operator must not make every node eligible; a preferred term is left out."""
    term = {"matchExpressions": [{"key": "a", "operator": "Resembles", "values": ["b"]}]}
    item = pod_json(
        affinity={
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 5, "preference": term}
                ],
            }
        }
    )

    reading = read_pod(item)

    assert reading.value is not None
    assert reading.value.affinity is not None
    assert reading.value.affinity.node is not None
    assert reading.value.affinity.node.required == (NodeSelectorTerm(),)
    assert reading.value.affinity.node.preferred == ()
    assert len(reading.doubts) == 2
    assert "pod shop/web-1: node selector term" in reading.doubts[0]


def test_a_toleration_that_is_not_understood_tolerates_nothing() -> None:
    """Gt on taints is newer than we are: ignored, visibly, while the others stand."""
    item = pod_json(
        tolerations=[
            {"operator": "Exists"},
            {"key": "sla", "operator": "Gt", "value": "950", "effect": "NoSchedule"},
            {"key": "b", "value": "c", "effect": "NoExecute"},
        ]
    )

    reading = read_pod(item)

    assert reading.value is not None
    assert reading.value.tolerations == (
        Toleration(operator=TolerationOperator.EXISTS),
        Toleration("b", TolerationOperator.EQUAL, "c", TaintEffect.NO_EXECUTE),
    )
    assert reading.doubts == (
        "pod shop/web-1: toleration of sla ignored: 'Gt' is not a valid TolerationOperator",
    )


def test_an_unknown_spread_mode_is_taken_as_the_strict_one() -> None:
    """A constraint we cannot judge forbids rather than wishes."""
    item = pod_json(
        topologySpreadConstraints=[
            {"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "Sometimes"}
        ]
    )

    reading = read_pod(item)

    assert reading.value is not None
    assert reading.value.topology_spread[0].when_unsatisfiable is WhenUnsatisfiable.DO_NOT_SCHEDULE
    assert "whenUnsatisfiable 'Sometimes', taken as DoNotSchedule" in reading.doubts[0]


def test_a_node_arrives_with_size_labels_and_taints() -> None:
    """Allocatable, not capacity, is what pods may request; an unknown taint effect repels."""
    reading = read_node(
        {
            "metadata": {"name": "n1", "labels": {"a": "b"}, "annotations": {"c": "d"}},
            "spec": {
                "unschedulable": True,
                "taints": [
                    {"key": "x", "value": "y", "effect": "NoExecute"},
                    {"key": "z", "effect": "Discourage"},
                ],
            },
            "status": {
                "capacity": {"cpu": "8"},
                "allocatable": {"cpu": "7500m", "memory": "1Gi", "pods": "250", "x.io/y": "3"},
            },
        }
    )

    assert reading.value == Node(
        name="n1",
        allocatable=Resources(cpu_millicores=7500, memory_bytes=1024**3, extended={"x.io/y": 3}),
        pods_max=250,
        labels={"a": "b"},
        annotations={"c": "d"},
        taints=(Taint("x", "y", TaintEffect.NO_EXECUTE), Taint("z", "", TaintEffect.NO_SCHEDULE)),
        unschedulable=True,
    )
    assert reading.doubts == ("node n1: unknown taint effect 'Discourage', taken as NoSchedule",)


def test_a_node_of_absurd_size_is_closed_and_says_so() -> None:
    """A negative or unreadable size is no invitation."""
    for cpu in ("-4", "four", ""):
        reading = read_node({"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": cpu}}})

        assert reading.value == Node(
            name="n1", allocatable=Resources(), pods_max=0, unschedulable=True
        )
        assert reading.doubts[0].startswith("node n1: closed to new pods: ")


def test_a_node_without_allocatable_takes_nothing() -> None:
    """A node that has just registered states no size: zero, with a doubt, never a guess."""
    reading = read_node({"metadata": {"name": "n1"}})

    assert reading.value == Node(name="n1", allocatable=Resources(), pods_max=0)
    assert reading.doubts == ("node n1: states no allocatable resources",)


def test_a_pod_of_absurd_size_closes_its_node() -> None:
    """A request that would wrap a sum of 64 bits is a doubt, and no empty node."""
    reading = read_pod(pod_json(container("1", "8191Pi"), nodeName="n1"))
    node = Node(name="n1", allocatable=Resources(cpu_millicores=4000, memory_bytes=MEBIBYTE))
    observed = assemble(
        [Reading(key="n1", value=node)], [reading], age_seconds=0.0, now_seconds=0.0
    )

    assert "at most 2^50" in observed.doubts[0]
    assert observed.snapshot.nodes[0].unschedulable


def test_a_pod_that_cannot_be_read_closes_its_node_only() -> None:
    """Nobody knows what it takes, so the snapshot offers its node to nobody."""
    item = pod_json(container("minus one"), nodeName="n1")
    nodes = [
        read_node({"metadata": {"name": name}, "status": {"allocatable": {"cpu": "4"}}})
        for name in ("n1", "n2")
    ]

    observed = assemble(nodes, [read_pod(item)], age_seconds=3.0, now_seconds=100.0)

    assert [node.unschedulable for node in observed.snapshot.nodes] == [True, False]
    assert observed.snapshot.pods == ()
    assert observed.snapshot.taken_at_seconds == 97.0
    assert len(observed.doubts) == 1
    assert observed.doubts[0].startswith(
        "pod shop/web-1: cannot be read: 'minus one' is not a Kubernetes quantity"
    )


FIELDS = st.sampled_from(
    ["metadata", "spec", "status", "name", "namespace", "labels", "taints", "allocatable"]
) | st.sampled_from(
    ["containers", "resources", "requests", "cpu", "tolerations", "affinity", "nodeName"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=20,
)


@given(item=st.dictionaries(st.sampled_from(["metadata", "spec", "status", "kind"]), JSON))
def test_no_json_whatever_makes_a_reader_raise(item: Json) -> None:
    """What cannot be read is a value with a doubt, and one line long."""
    readings: list[Reading] = [read_node(item), read_pod(item), read_namespace(item)]

    for reading in readings:
        assert reading.value is not None or reading.doubts
        assert all("\n" not in doubt for doubt in reading.doubts)
