"""On a real kube-scheduler the shipped weights do what their page says of them.

docs/reference/scheduler-configuration.md: hard constraints first, then what users strongly prefer,
then energy, then spreading and packing. The last tests show what other weights would do.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import scheduler_files
from ranking_extender import RankingExtender
from scheduling_scenes import NEARLY_ALL, RankedScene

from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.kwokctl_configuration import ControlPlaneOptions
from simulator.sandbox.toolchain import Toolchain

pytestmark = [pytest.mark.kube, pytest.mark.slow]

NO_BATCHES = "Disabling signatures for profile because it has extenders configured"
HINT_USED = 'scheduler_batch_attempts_total{profile="negawatt",result="hint_used"}'
HALF = {"cpu": "5", "memory": "5Gi"}


@dataclass(frozen=True)
class Stage:
    """A control plane whose scheduler asks an extender of the test."""

    plane: ControlPlane
    extender: RankingExtender
    scheduler: str

    def scene(self) -> RankedScene:
        """Give a scene that nobody else uses."""
        name = f"s{uuid.uuid4().hex[:8]}"
        return RankedScene(self.plane, self.extender, name, self.scheduler)

    def metrics(self) -> str:
        """Read the scheduler's own figures."""
        url = f"https://127.0.0.1:{self.plane.ports['kubeSchedulerPort']}/metrics"
        anybody = ssl._create_unverified_context()  # noqa: S323, SLF001 - loopback, made by us
        with urllib.request.urlopen(url, context=anybody) as answer:
            text: str = answer.read().decode()
        return text


def stage_of(change: Callable[[dict[str, Any]], None], folder: Path) -> Iterator[Stage]:
    """Run a control plane under the shipped configuration, changed."""
    with RankingExtender() as extender:
        shipped = scheduler_files.shipped()
        document = scheduler_files.for_a_test(shipped, extender_url=extender.url)
        # An answer that comes late on a busy machine would be none: weights are tried here.
        document["extenders"][0]["httpTimeout"] = "10s"
        change(document)
        file = scheduler_files.written(document, folder)
        options = ControlPlaneOptions(scheduler_configuration=file)
        with ControlPlane(Toolchain.found(os.environ), options) as plane:
            yield Stage(plane, extender, document["profiles"][0]["schedulerName"])


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give the configuration as it ships."""
    yield from stage_of(lambda _: None, tmp_path_factory.mktemp("shipped"))


def preferred_node(weight: int) -> dict[str, Any]:
    """Prefer the dear node by a term of this weight."""
    wanted = {"matchExpressions": [{"key": "node", "operator": "In", "values": ["dear"]}]}
    terms = [{"weight": weight, "preference": wanted}]
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}


def preferred_pods(kind: str, weight: int) -> dict[str, Any]:
    """Prefer (or with podAntiAffinity avoid) nodes with a pod labelled `friend`."""
    term = {
        "labelSelector": {"matchLabels": {"friend": "yes"}},
        "topologyKey": "kubernetes.io/hostname",
    }
    terms = [{"weight": weight, "podAffinityTerm": term}]
    return {kind: {"preferredDuringSchedulingIgnoredDuringExecution": terms}}


def spread(when: str) -> list[dict[str, Any]]:
    """Spread replicas over nodes."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": when,
            "labelSelector": {"matchLabels": {"app": "replicas"}},
        }
    ]


def test_one_rank_of_energy_beats_packing(shipped: Stage) -> None:
    """The dear node is nearly full and the good one empty: 210 points against some 90."""
    scene = shipped.scene()
    scene.nodes({"good": 10, "dear": 9})
    scene.fill("dear")
    assert scene.place(3) == {"good": 3}


def test_packing_decides_within_a_rank(shipped: Stage) -> None:
    """Of two nodes alike in energy the fuller one; LeastAllocated would take the other."""
    scene = shipped.scene()
    scene.nodes({"half": 7, "empty": 7})
    scene.fill("half", HALF)
    assert scene.place(5) == {"half": 5}


@pytest.mark.parametrize(
    ("weight", "ranks", "winner"),
    [
        (1, 0, "dear"), (1, 1, "good"),
        (10, 3, "dear"), (10, 4, "good"),
        (25, 6, "dear"), (25, 7, "good"),
        (50, 10, "dear"),
        (100, 10, "dear"),
    ],
)  # fmt: skip
def test_a_preferred_node_beats_as_many_ranks_as_its_weight_says(
    shipped: Stage, weight: int, ranks: int, winner: str
) -> None:
    """70 points for each of 100 - 10000 // (100 + weight), against 210 a rank."""
    scene = shipped.scene()
    scene.nodes({"good": 10, "dear": 10 - ranks})
    assert scene.place(affinity=preferred_node(weight)) == {winner: 1}


@pytest.mark.parametrize(
    "affinity",
    [
        preferred_node(50),
        preferred_node(100),
        preferred_pods("podAffinity", 1),
        preferred_pods("podAffinity", 100),
    ],
    ids=["node 50", "node 100", "pod 1", "pod 100"],
)
def test_a_strong_preference_beats_energy_packing_and_spreading_together(
    shipped: Stage, affinity: dict[str, Any]
) -> None:
    """Ten ranks worse, empty where the good node is packed, and full of the pod's own siblings."""
    scene = shipped.scene()
    scene.nodes({"good": 10, "dear": 0})
    scene.fill("good")
    scene.fill("dear", {"cpu": "10m"}, friend="yes")
    assert scene.deploy(9, affinity=affinity) == {"dear": 9}


def test_a_soft_taint_beats_energy_packing_and_spreading_together(shipped: Stage) -> None:
    """Somebody does not want pods on the good node, if it can be helped."""
    scene = shipped.scene()
    scene.nodes({"good": 10, "dear": 0}, soft_taints=["good"])
    scene.fill("good")
    assert scene.deploy(9) == {"dear": 9}


@pytest.mark.parametrize("weight", [1, 100])
def test_soft_anti_affinity_beats_energy(shipped: Stage, weight: int) -> None:
    """Whatever its weight: kube-scheduler scales the best and the worst node to 100 and 0."""
    scene = shipped.scene()
    scene.nodes({"good": 10, "dear": 0})
    scene.fill("good", friend="yes")
    assert scene.place(affinity=preferred_pods("podAntiAffinity", weight)) == {"dear": 1}


def test_built_in_spreading_is_kept_within_a_rank(shipped: Stage) -> None:
    """Replicas of a Deployment use both good nodes and leave the dear ones alone."""
    scene = shipped.scene()
    scene.nodes({"good1": 10, "good2": 10, "dear1": 9, "dear2": 9})
    assert scene.deploy(6) == {"good1": 3, "good2": 3}


def test_pods_of_nobody_are_packed(shipped: Stage) -> None:
    """The same pods without a Deployment: one node."""
    scene = shipped.scene()
    scene.nodes({"good1": 10, "good2": 10, "dear1": 9, "dear2": 9})
    assert list(scene.place(6).values()) == [6]


def test_spreading_and_packing_together_open_no_dearer_node(shipped: Stage) -> None:
    """The worst case: one rank dearer, nearly full, and none of forty siblings there yet."""
    scene = shipped.scene()
    scene.nodes({"good": 10, "dear": 9})
    scene.fill("dear")
    assert scene.deploy(40, {"cpu": "10m", "memory": "10Mi"}) == {"good": 40}


def test_a_soft_spread_constraint_spreads_within_a_rank(shipped: Stage) -> None:
    """It shares its weight with the built-in spreading."""
    scene = shipped.scene()
    scene.nodes({"good1": 10, "good2": 10, "dear": 9})
    constraints = spread("ScheduleAnyway")
    assert scene.deploy(4, topologySpreadConstraints=constraints) == {"good1": 2, "good2": 2}


def test_a_hard_spread_constraint_is_kept(shipped: Stage) -> None:
    """Ten ranks do not make up for it."""
    scene = shipped.scene()
    scene.nodes({"good1": 10, "good2": 10, "dear": 0})
    constraints = spread("DoNotSchedule")
    placed = scene.deploy(6, topologySpreadConstraints=constraints)
    assert placed == {"good1": 2, "good2": 2, "dear": 2}


def test_every_node_is_scored(shipped: Stage) -> None:
    """By default kube-scheduler would stop at 100 of 150 nodes."""
    scene = shipped.scene()
    names = {f"n{number}": 5 for number in range(150)}
    scene.nodes(names)
    shipped.extender.asked.clear()
    scene.place()
    assert [len(asked["NodeNames"]) for asked in shipped.extender.asked] == [150]


def test_no_pod_reuses_the_ranking_of_another(shipped: Stage) -> None:
    """With an extender kube-scheduler forms no batches: each pod is asked for, though alike."""
    scene = shipped.scene()
    scene.nodes({f"n{number}": 5 for number in range(12)})
    shipped.extender.asked.clear()
    assert set(scene.place(10, NEARLY_ALL).values()) == {1}
    assert len(shipped.extender.asked) == 10
    assert NO_BATCHES in shipped.plane.log("kube-scheduler").read_text(encoding="utf-8")
    assert HINT_USED not in shipped.metrics()


def _without_extender(document: dict[str, Any]) -> None:
    """Leave what kube-scheduler needs to form batches: no extender, no default spreading."""
    document["extenders"] = []
    none = {"defaultingType": "List", "defaultConstraints": []}
    document["profiles"][0]["pluginConfig"].append({"name": "PodTopologySpread", "args": none})


def test_without_an_extender_pods_would_reuse_rankings(tmp_path: Path) -> None:
    """So that the test above could fail."""
    for stage in stage_of(_without_extender, tmp_path):
        scene = stage.scene()
        scene.nodes({f"n{number}": 5 for number in range(12)})
        assert set(scene.place(10, NEARLY_ALL).values()) == {1}
        assert NO_BATCHES not in stage.plane.log("kube-scheduler").read_text(encoding="utf-8")
        assert HINT_USED in stage.metrics()


def _as_it_comes(document: dict[str, Any]) -> None:
    """Put an extender of weight 1 beside kube-scheduler's default profile, as many examples do."""
    document["extenders"][0]["weight"] = 1
    document["profiles"] = [{"schedulerName": "default-scheduler"}]


def test_beside_the_default_profile_an_extender_of_weight_1_is_outvoted(tmp_path: Path) -> None:
    """LeastAllocated and the built-in spreading have up to 300 points against its 100."""
    for stage in stage_of(_as_it_comes, tmp_path):
        scene = stage.scene()
        scene.nodes({"good": 10, "dear": 0})
        scene.fill("good")
        assert scene.deploy(6) == {"good": 3, "dear": 3}


def _lighter(document: dict[str, Any]) -> None:
    """Make a rank worth 120 points: more than packing alone, less than packing and spreading."""
    document["extenders"][0]["weight"] = 12


def test_with_weight_12_spreading_and_packing_would_open_a_dearer_node(tmp_path: Path) -> None:
    """The worst case again, which weight 21 withstands."""
    for stage in stage_of(_lighter, tmp_path):
        scene = stage.scene()
        scene.nodes({"good": 10, "dear": 9})
        scene.fill("dear")
        assert "dear" in scene.deploy(40, {"cpu": "10m", "memory": "10Mi"})
