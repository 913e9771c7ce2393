"""Pods of any shape, most of them readable, put to the real core as kube-scheduler puts them.

Pods and parts of pods that no API server would let through are among them; an extender that is
newer or older than its cluster may meet such.
"""

from __future__ import annotations

import copy
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from asgi_caller import Reply
from core_scenes import SERVER, CoreScene, key_of, server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.constraints import Taint, TaintEffect
from cluster.kube.convert import read_pod
from energy.errors import InputError
from extender.core import Core
from extender.metrics import VERBS, RequestMetrics
from extender.settings import MEBIBYTE
from extender.verbs import Shell, Verb, filter_nodes, keep_all, no_opinion, prioritize

# A hundred examples take a second, more where coverage is measured.
EXAMPLES = {"ci": 1000, "night": 10_000}
unhurried = settings(
    deadline=None,
    max_examples=EXAMPLES.get(os.environ.get("HYPOTHESIS_PROFILE", ""), 300),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
METRICS = RequestMetrics()
ZONE = "topology.kubernetes.io/zone"
FLEET = [
    server("a", labels={ZONE: "north"}),
    server("b", "dear", labels={ZONE: "south"}),
    server("c", "worst", cores=2, taints=(Taint("only", "some", TaintEffect.NO_SCHEDULE),)),
    server("d", "unknown", labels={ZONE: "north"}, unschedulable=True),
]
#: With everything that the core reads of a pod.
POD: dict[str, Any] = {
    "metadata": {
        "namespace": "shop",
        "name": "web-1",
        "uid": "uid-1",
        "labels": {"app": "web"},
        "annotations": {"negawatt.dev/utilisation-ceiling-ratio": "0.6"},
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d9f", "controller": True}
        ],
        "creationTimestamp": "2026-01-01T00:00:00Z",
    },
    "spec": {
        "schedulerName": "negawatt",
        "priority": 0,
        "overhead": {"cpu": "10m"},
        "nodeSelector": {SERVER: "good"},
        "tolerations": [{"key": "only", "operator": "Exists", "effect": "NoSchedule"}],
        "initContainers": [
            {"name": "i", "image": "i", "resources": {"requests": {"cpu": "2"}}},
            {"name": "s", "image": "s", "restartPolicy": "Always", "resources": {}},
        ],
        "containers": [
            {
                "name": "c",
                "image": "c",
                "ports": [{"containerPort": 80, "hostPort": 8080, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "500m", "memory": "1Gi", "example.com/gpu": "1"}},
            }
        ],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["north"]}]}
                    ]
                }
            },
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": "web"}}}
                ]
            },
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": ZONE,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": "web"}},
            }
        ],
    },
}
#: What stands in the place of a text, a number or a list mostly stays one.
texts = st.sampled_from(
    ["", "0", "1", "-1", "1e3", "2.5", "100m", "1Ki", "9e99", "nan", "é", "x" * 300, "true", ZONE]
) | st.sampled_from(
    ["In", "NotIn", "Exists", "Gt", "Always", "Job", "CronJob", "NoExecute", "ScheduleAnyway"]
)
numbers = st.sampled_from([0, 1, -1, 2**31, 2**63 - 1, 2**63, 0.5, 1e300])
anything = st.none() | st.booleans() | numbers | texts | st.just([]) | st.just({})
mutations = st.lists(
    st.tuples(st.integers(0, 999), st.sampled_from(["like", "like", "like", "gone", "any"]), texts)
    | st.tuples(st.integers(0, 999), st.just("any"), anything),
    max_size=3,
)
asked_names = st.lists(
    st.sampled_from([node.name for node in FLEET]) | st.text(max_size=4), max_size=8
)


def places(part: Any, inside: tuple = ()) -> Iterator[tuple]:
    """Yield the path of every value of a document."""
    if inside:
        yield inside
    if isinstance(part, dict | list):
        for key in list(part) if isinstance(part, dict) else range(len(part)):
            yield from places(part[key], (*inside, key))


def mutated(changes: list[tuple[int, str, Any]]) -> dict[str, Any]:
    """Give the pod with values of some places replaced, and others gone."""
    pod = copy.deepcopy(POD)
    for number, how, value in changes:
        paths = list(places(pod))
        *path, last = paths[number % len(paths)]
        part: Any = pod
        for key in path:
            part = part[key]
        if how == "gone":
            del part[last]
        elif how == "any" or isinstance(part[last], str):
            part[last] = value
        elif isinstance(part[last], list):
            part[last] = part[last] * 2
    return pod


class Loud(logging.Handler):
    """Keeps what was said of failures, but for records that no ledger could keep."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        kind = record.exc_info[0] if record.exc_info else None
        if kind is not InputError:
            self.said.append(f"{record.getMessage()}: {kind}")


@pytest.fixture(scope="module")
def loud() -> Iterator[list[str]]:
    """Give what the extender logs as errors."""
    handler, logger = Loud(), logging.getLogger("extender")
    logger.addHandler(handler)
    yield handler.said
    logger.removeHandler(handler)


def verbs_of(core: Core) -> dict[str, Verb]:
    """Give the verbs as the application has them."""
    shell = Shell(metrics=METRICS, body_limit_bytes=MEBIBYTE)
    return {
        "prioritize": Verb("prioritize", prioritize(core), no_opinion, shell),
        "filter": Verb("filter", filter_nodes(core), keep_all, shell),
    }


def post(verb: Verb, question: dict[str, Any]) -> Any:
    """Put one question, without an event loop, and give the answer."""
    reply = Reply([json.dumps(question).encode()])
    with pytest.raises(StopIteration):
        verb({}, reply.receive, reply.send).__await__().send(None)
    assert reply.status == 200
    return reply.json()


def internal_errors() -> list[float | None]:
    """Give how often an answer of the core failed so far."""
    name = "negawatt_extender_internal_errors_total"
    return [METRICS.registry.get_sample_value(name, {"verb": verb}) for verb in VERBS]


def question(pod: dict[str, Any], names: list[str], *, by_name: bool) -> dict[str, Any]:
    """Give what kube-scheduler sends: names, or whole nodes."""
    if by_name:
        return {"Pod": pod, "Nodes": None, "NodeNames": names}
    items = [{"metadata": {"name": name}} for name in names]
    return {"Pod": pod, "Nodes": {"items": items}, "NodeNames": None}


def test_without_a_mutation_the_pod_is_ranked() -> None:
    """So that the test below is about more than pods that are turned away at the door."""
    asked = verbs_of(CoreScene(*FLEET, mode="act").core)["prioritize"]
    answer = post(asked, question(POD, ["a", "b", "nobody"], by_name=True))
    assert [entry["Score"] for entry in answer] == [10, 9, 0]


@unhurried
@given(
    st.lists(st.tuples(mutations, asked_names), min_size=1, max_size=2),
    st.sampled_from(["observe", "act"]),
    st.booleans(),
)
def test_every_host_is_scored_and_nothing_fails_within(loud, rounds, mode, by_name) -> None:
    """Each pod is asked about, then bound; none may make the core fail, now or for the next."""
    scene, failed = CoreScene(*FLEET, mode=mode), internal_errors()
    verbs = verbs_of(scene.core)
    for changes, names in rounds:
        pod = mutated(changes)
        asked = question(pod, names, by_name=by_name)
        answer = post(verbs["prioritize"], asked)
        assert [entry["Host"] for entry in answer] == names
        assert all(type(entry["Score"]) is int and 0 <= entry["Score"] <= 10 for entry in answer)
        assert set(post(verbs["filter"], asked)["FailedNodes"]) <= set(names)
        bind(scene, pod)
    assert internal_errors() == failed
    said, loud[:] = loud[:], []
    assert said == []


def bind(scene: CoreScene, document: dict[str, Any]) -> None:
    """Tell that a pod was bound, as informers would, if it can be read."""
    pod = read_pod(document).value
    if pod is None:
        return
    scene.waits(pod)
    scene.passes(1.0)
    scene.solve()
    scene.core.pod_changed(key_of(pod), replace(pod, node_name="b"))
