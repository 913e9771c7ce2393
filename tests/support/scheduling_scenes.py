"""Small sets of nodes on which a running kube-scheduler is asked where a pod goes.

Every scene has nodes of its own, and its pods may go nowhere else, so that scenes share a control
plane. All nodes are alike: 10 cores and 10 GiB.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ranking_extender import RankingExtender

from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node

WAIT_SECONDS = 60.0
POLL_SECONDS = 0.05
SMALL = {"cpu": "100m", "memory": "100Mi"}
NEARLY_ALL = {"cpu": "9", "memory": "9Gi"}

Json = Mapping[str, Any]


class Scene:
    """The nodes of one question. Node `x` of scene `s` is called `s-x` in the cluster."""

    def __init__(self, plane: ControlPlane, name: str, scheduler: str) -> None:
        self._plane, self._name, self._scheduler = plane, name, scheduler
        self._numbers = itertools.count()

    def join(
        self, labels: Mapping[str, Mapping[str, str]], *, taints: Mapping[str, str] | None = None
    ) -> None:
        """Create nodes with their labels, some with a taint of an effect, until pods may go there.

        Until then a taint of Kubernetes' own keeps them away.
        """
        effects = taints or {}
        self._create([self._node(name, own, effects.get(name)) for name, own in labels.items()])
        self._until(self._settled)

    def _node(self, name: str, labels: Mapping[str, str], effect: str | None) -> Json:
        own = {"scene": self._name, "node": name, **labels}
        manifest = fake_node(f"{self._name}-{name}", cpu="10", memory="10Gi", labels=own)
        if effect is not None:
            manifest["spec"] = {"taints": [{"key": "example.com/old", "effect": effect}]}
        return manifest

    def fill(self, node: str, requests: Json = NEARLY_ALL, **labels: str) -> None:
        """Put a pod on a node, by the scheduler's own hands, so that its cache knows."""
        spec = self._spec(requests) | {"nodeSelector": {"scene": self._name, "node": node}}
        self._placed([self._pod(f"fill-{node}", spec, labels)])

    def place(self, count: int = 1, requests: Json = SMALL, **spec: object) -> dict[str, int]:
        """Create bare pods and give how many went to each node."""
        pods = [
            self._pod(f"p{next(self._numbers)}", self._spec(requests) | spec, {})
            for _ in range(count)
        ]
        return self._placed(pods)

    def deploy(self, replicas: int, requests: Json = SMALL, **spec: object) -> dict[str, int]:
        """Create a Deployment and give how many replicas went to each node."""
        labels = {"scene": self._name, "app": "replicas"}
        template = {"metadata": {"labels": labels}, "spec": self._spec(requests) | spec}
        body = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        kind = {"apiVersion": "apps/v1", "kind": "Deployment"}
        self._create([{**kind, "metadata": {"name": self._name}, "spec": body}])
        return self._where("app=replicas", replicas)

    def chosen(self, pods: Sequence[tuple[Json, Json]]) -> list[str]:
        """Create bare pods of these labels and specs, in order, and give the node of each.

        Their names end in -c and a number.
        """
        items = [
            self._pod(f"c{next(self._numbers)}", self._spec(SMALL) | spec, labels)
            for labels, spec in pods
        ]
        self._placed(items)
        found = self._get("pods", f"scene={self._name}")
        node_of = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in found}
        return [node_of[item["metadata"]["name"]] for item in items]

    def objects(self, kind: str) -> list[Json]:
        """Give the scene's nodes or pods as the API server has them."""
        return self._get(kind, f"scene={self._name}")

    def _placed(self, pods: list[Json]) -> dict[str, int]:
        batch = {"batch": pods[0]["metadata"]["name"]}
        for pod in pods:
            pod["metadata"]["labels"].update(batch)
        self._create(pods)
        return self._where(f"batch={batch['batch']}", len(pods))

    def _where(self, selector: str, count: int) -> dict[str, int]:
        """Wait until so many pods have nodes; node -> pods."""

        def bound() -> list[str]:
            pods = self._get("pods", f"scene={self._name},{selector}")
            names = [pod["spec"].get("nodeName", "") for pod in pods]
            return names if len(names) == count and all(names) else []

        names: list[str] = self._until(bound)
        return dict(Counter(name.removeprefix(f"{self._name}-") for name in names))

    def _settled(self) -> bool:
        nodes = self._get("nodes", f"scene={self._name}")
        taints = [taint for node in nodes for taint in node["spec"].get("taints", ())]
        return all(taint["key"] == "example.com/old" for taint in taints)

    def _spec(self, requests: Json) -> dict[str, Any]:
        container = {"name": "c", "image": "none", "resources": {"requests": requests}}
        return {
            "schedulerName": self._scheduler,
            "nodeSelector": {"scene": self._name},
            "containers": [container],
        }

    def _pod(self, name: str, spec: Json, labels: Mapping[str, str]) -> Json:
        metadata = {"name": f"{self._name}-{name}", "labels": {"scene": self._name, **labels}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def _create(self, items: Sequence[Json]) -> None:
        manifest = {"apiVersion": "v1", "kind": "List", "items": items}
        self._plane.kubectl("create", "-f", "-", manifest=manifest)

    def _get(self, kind: str, selector: str) -> list[Json]:
        found = self._plane.kubectl("get", kind, f"--selector={selector}", "--output=json")
        items: list[Json] = json.loads(found)["items"]
        return items

    @staticmethod
    def _until(condition: Any) -> Any:
        deadline = time.monotonic() + WAIT_SECONDS
        while not (found := condition()):
            assert time.monotonic() < deadline, "the control plane did not get there"
            time.sleep(POLL_SECONDS)
        return found


class RankedScene(Scene):
    """A scene whose nodes an extender scores."""

    def __init__(
        self, plane: ControlPlane, extender: RankingExtender, name: str, scheduler: str
    ) -> None:
        super().__init__(plane, name, scheduler)
        self._extender = extender

    def nodes(self, scores: Mapping[str, int], *, soft_taints: Sequence[str] = ()) -> None:
        """Create nodes with their extender scores, and wait until pods may go there."""
        for node, score in scores.items():
            self._extender.scores[f"{self._name}-{node}"] = score
        taints = dict.fromkeys(soft_taints, "PreferNoSchedule")
        self.join({node: {} for node in scores}, taints=taints)
