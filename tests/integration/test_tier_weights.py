"""On a real kube-scheduler the profile for tiers does what its page says of the weights.

docs/reference/scheduler-configuration.md. One scheduler with two profiles: the one that ships, and
the one for pods that use all that they request. No extender: tiers are labels of nodes.
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scheduler_files
import yaml
from kube_objects import node_of, pod_of
from scheduling_scenes import NEARLY_ALL, Scene

from cluster.scheduling.profile import ENERGY_TIER_LABEL, ENERGY_TIERS
from cluster.scheduling.tier_profile import tier_profile
from extender.tiers.profile import TierProfileOptions, profile_document
from simulator.fidelity import replay
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.kwokctl_configuration import ControlPlaneOptions
from simulator.sandbox.toolchain import Toolchain

pytestmark = [pytest.mark.kube, pytest.mark.slow]

FILLED = TierProfileOptions(scheduler_name="filled", usage_ratio=1.0)
TINY = {"cpu": "10m", "memory": "10Mi"}
HALF = {"cpu": "5", "memory": "5Gi"}
MIXED_PODS, SEED = 100, 1

Json = dict[str, Any]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane whose scheduler has both profiles."""
    shipped = scheduler_files.shipped(scheduler_files.FOLDER / "tiers-second-scheduler.yaml")
    shipped["profiles"] += yaml.safe_load(profile_document(FILLED))["profiles"]
    file = scheduler_files.written(
        scheduler_files.for_a_test(shipped), tmp_path_factory.mktemp("tiers")
    )
    options = ControlPlaneOptions(scheduler_configuration=file)
    with ControlPlane(Toolchain.found(os.environ), options) as plane:
        yield plane


@pytest.fixture
def scene(plane: ControlPlane) -> Scene:
    """Give a scene that nobody else uses, for the profile that ships."""
    return Scene(plane, f"s{uuid.uuid4().hex[:8]}", "negawatt")


def tiers(**tier_of_node: int | None) -> dict[str, dict[str, str]]:
    """Give nodes with the tiers' labels; None: without one."""
    return {
        node: {} if tier is None else {ENERGY_TIER_LABEL: str(tier)}
        for node, tier in tier_of_node.items()
    }


def preferred(*weights: int, node: str = "dear") -> Json:
    """Prefer a node by terms of these weights."""
    wanted = {"matchExpressions": [{"key": "node", "operator": "In", "values": [node]}]}
    terms = [{"weight": weight, "preference": wanted} for weight in weights]
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}


def preferred_pods(kind: str, weight: int) -> Json:
    """Prefer (or with podAntiAffinity avoid) nodes with a pod labelled `friend`."""
    friends = {"matchLabels": {"friend": "yes"}}
    term = {"labelSelector": friends, "topologyKey": "kubernetes.io/hostname"}
    terms = [{"weight": weight, "podAffinityTerm": term}]
    return {kind: {"preferredDuringSchedulingIgnoredDuringExecution": terms}}


def spread(when: str, key: str = "kubernetes.io/hostname", app: str = "replicas") -> list[Json]:
    """Spread pods of an app."""
    selector = {"matchLabels": {"app": app}}
    fields = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": when}
    return [fields | {"labelSelector": selector}]


def containers(requests: Json) -> Json:
    """Give the part of a pod's spec that says what it requests."""
    return {"containers": [{"name": "c", "image": "none", "resources": {"requests": requests}}]}


EVERYWHERE = {"matchExpressions": [{"key": "node", "operator": "Exists"}]}


@pytest.mark.parametrize("weight", [0, 100], ids=["no term", "a term of 100 on every node"])
def test_one_tier_beats_packing_and_spreading_together(scene: Scene, weight: int) -> None:
    """The worst case: one tier worse, nearly full, and none of forty siblings there yet."""
    scene.join(tiers(good=8, dear=9))
    scene.fill("dear")
    spec: Json = {}
    if weight:
        terms = [{"weight": weight, "preference": EVERYWHERE}]
        spec["affinity"] = {
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}
        }
    assert scene.deploy(40, TINY, **spec) == {"good": 40}


@pytest.fixture(scope="module")
def ladder(plane: ControlPlane) -> Scene:
    """Give a scene of a node for each tier, one without, and a second of tier 3 that is full."""
    scene = Scene(plane, f"s{uuid.uuid4().hex[:8]}", "negawatt")
    steps = {f"t{tier}": tier for tier in range(ENERGY_TIERS)}
    scene.join(tiers(**steps, full3=3, none=None))
    scene.fill("full3")
    return scene


@pytest.mark.parametrize(
    ("weight", "good", "dear", "wins"),
    [
        (1, "full3", "t3", True), (1, "full3", "t4", False),
        (10, "t0", "t2", True), (10, "t0", "t3", False),
        (25, "t0", "t6", True), (25, "t0", "t7", False),
        (39, "t0", "t9", True), (39, "t0", "none", False),
        (50, "t0", "none", True),
    ],
)  # fmt: skip
def test_a_term_is_worth_a_quarter_of_its_weight_in_tiers(
    ladder: Scene, weight: int, good: str, dear: str, *, wins: bool
) -> None:
    """A tier is 4 of weight; packing, for the good node of tier 3, is less than one of weight."""
    either = {"nodeSelectorTerms": [{"matchExpressions": [_is(good, dear)]}]}
    affinity = preferred(weight, node=dear)
    affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = either
    spec = {"affinity": affinity, **containers(TINY)}
    (node,) = ladder.chosen([({}, spec)])
    assert node.split("-")[1] == (dear if wins else good)


@pytest.mark.parametrize(
    "affinity",
    [
        preferred(50),
        preferred(100),
        preferred_pods("podAffinity", 1),
        preferred_pods("podAffinity", 100),
    ],
    ids=["node 50", "node 100", "pod 1", "pod 100"],
)
def test_what_users_prefer_strongly_beats_all_tiers_packing_and_spreading(
    scene: Scene, affinity: Json
) -> None:
    """No tier against the best, empty against packed, and full of the pod's own siblings."""
    scene.join(tiers(good=0, dear=None))
    scene.fill("good")
    scene.fill("dear", TINY, friend="yes")
    assert scene.deploy(9, TINY, affinity=affinity) == {"dear": 9}


def test_a_soft_taint_beats_all_tiers(scene: Scene) -> None:
    """Somebody does not want pods on the good node, if it can be helped."""
    scene.join(tiers(good=0, dear=None), taints={"good": "PreferNoSchedule"})
    scene.fill("good")
    assert scene.deploy(9, TINY) == {"dear": 9}


def test_soft_anti_affinity_beats_all_tiers(scene: Scene) -> None:
    """Whatever its weight."""
    scene.join(tiers(good=0, dear=None))
    scene.fill("good", friend="yes")
    assert scene.place(affinity=preferred_pods("podAntiAffinity", 1)) == {"dear": 1}


def test_nodes_without_a_tier_come_last_and_ten_tiers_in_their_order(scene: Scene) -> None:
    """One pod fits a node. The node without a label would be the better packed one."""
    scene.join(tiers(**{f"tier{tier}": tier for tier in range(ENERGY_TIERS)}, unlabelled=None))
    scene.fill("unlabelled", TINY)
    pods: list[tuple[Json, Json]] = [({}, containers(NEARLY_ALL))] * (ENERGY_TIERS + 1)
    order = [f"tier{tier}" for tier in range(ENERGY_TIERS)]
    assert [name.split("-")[1] for name in scene.chosen(pods)] == [*order, "unlabelled"]


def test_what_pods_require_is_untouched(scene: Scene) -> None:
    """A required node, a taint, a node that is full, and a hard constraint on spreading."""
    scene.join(tiers(tainted=0, full=1, good=2, dear=9), taints={"tainted": "NoSchedule"})
    scene.fill("full", {"cpu": "10", "memory": "1Gi"})
    required = {"nodeSelectorTerms": [{"matchExpressions": [_is("dear")]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    assert scene.place(affinity=affinity) == {"dear": 1}
    assert scene.place() == {"good": 1}
    # The tainted and the full node count as empty, so that the others may have one replica each.
    placed = scene.deploy(2, topologySpreadConstraints=spread("DoNotSchedule"))
    assert placed == {"good": 1, "dear": 1}


def _is(*nodes: str) -> Json:
    return {"key": "node", "operator": "In", "values": list(nodes)}


def test_within_a_tier_pods_are_packed_and_replicas_are_spread(scene: Scene) -> None:
    """Of two nodes alike the fuller one; a Deployment uses both, and leaves the dear one alone."""
    scene.join(tiers(half=3, empty=3, dear=4))
    scene.fill("half", HALF)
    assert scene.place(3) == {"half": 3}
    assert scene.deploy(12, TINY).keys() == {"half", "empty"}


def test_nodes_are_filled_to_where_they_are_efficient(plane: ControlPlane) -> None:
    """By the other profile: two nodes to 70 %, then the rest of both, then the next tier."""
    scene = Scene(plane, f"s{uuid.uuid4().hex[:8]}", FILLED.scheduler_name)
    scene.join(tiers(one=3, other=3, dear=4))
    core = {"cpu": "1", "memory": "10Mi"}
    assert scene.place(14, core) == {"one": 7, "other": 7}
    assert scene.place(7, core) == {"one": 3, "other": 3, "dear": 1}


def test_the_model_agrees_on_mixed_pods(scene: Scene) -> None:
    """Each of 100 real choices is one of our model's best, the earlier ones forced into it."""
    rng = random.Random(SEED)
    labels = {}
    for number in range(14):
        tier = None if number == 0 else rng.randrange(ENERGY_TIERS)
        (own,) = tiers(node=tier).values()
        labels[f"n{number}"] = own | {"zone": rng.choice("ab")}
    scene.join(labels, taints={"n1": "PreferNoSchedule", "n2": "PreferNoSchedule"})
    scene.chosen([mixed_pod(rng) for _ in range(MIXED_PODS)])
    nodes = [node_of(item) for item in scene.objects("nodes")]
    pods = sorted(scene.objects("pods"), key=creation)
    rows = {node.name: row for row, node in enumerate(nodes)}
    node_of_pod = np.array([rows[pod["spec"]["nodeName"]] for pod in pods])
    assert len(set(node_of_pod.tolist())) > 3
    replayed = replay(nodes, [pod_of(item) for item in pods], node_of_pod, tier_profile())
    assert replayed.disagreements == ()


def creation(pod: Json) -> int:
    """Give the number in the name of a pod, in the order of which they were created."""
    return int(pod["metadata"]["name"].rpartition("-c")[2])


def mixed_pod(rng: random.Random) -> tuple[Json, Json]:
    """Give a pod's labels and spec; one in two asks for something that scores."""
    requests = {"cpu": f"{rng.randrange(100, 1500)}m", "memory": f"{rng.randrange(100, 1500)}Mi"}
    labels, spec = {"app": rng.choice("xy")}, containers(requests)
    match rng.randrange(8):
        case 0 | 1:
            weight = rng.choice([1, 10, 25, 50, 100])
            spec["affinity"] = preferred(weight, node=f"n{rng.randrange(14)}")
        case 2:
            spec["affinity"] = preferred_pods("podAntiAffinity", rng.choice([1, 100]))
            labels["friend"] = "yes"
        case 3:
            spec["topologySpreadConstraints"] = spread("ScheduleAnyway", "zone", labels["app"])
        case 4:
            spec["tolerations"] = [{"operator": "Exists"}]
    return labels, spec
