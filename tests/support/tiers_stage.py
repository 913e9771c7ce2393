"""Nodes of two kinds on a real control plane, and the controller of tiers over them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml
from repository import ROOT

from cluster.kube.client import KubeClient
from cluster.kube.node_labels import NodeLabels
from cluster.kube.settings import WatchSettings
from cluster.scheduling.profile import ENERGY_TIER_LABEL
from extender.tiers.controller import Alone, Controller, Leadership
from extender.tiers.labels import LabelChange
from extender.tiers.relabelling import Relabelling
from extender.tiers.settings import TiersSettings, read_settings
from extender.tiers.survey import NodeTier
from extender.tiers.watch import ClusterWatch
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node

PATIENCE_SECONDS = 60.0
DEFINITION = ROOT / "helm/negawatt-crds/templates/powerprofile.yaml"
KIND = "negawatt.dev/server"
PEAK_WATTS = {"cheap": 100, "dear": 400}
QUICK = WatchSettings(backoff_initial_seconds=0.05, backoff_max_seconds=0.2)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@dataclass
class Clock:
    """The time, which a test may put forward."""

    ahead_seconds: float = 0.0

    def __call__(self) -> float:
        """Unix time."""
        return time.time() + self.ahead_seconds


@dataclass
class TiersStage:
    """Nodes `<prefix>-cheap-0`, … and `<prefix>-dear-0`, … with PowerProfiles by these kinds."""

    plane: ControlPlane
    client: KubeClient
    clock: Clock = field(default_factory=Clock)
    prefix: str = field(default_factory=lambda: f"tiers-{uuid.uuid4().hex[:8]}")
    _made: dict[str, object] = field(default_factory=dict)

    def install(self) -> None:
        """Let the API server know PowerProfiles."""
        self.plane.kubectl("apply", "-f", str(DEFINITION))
        self.plane.kubectl("wait", "--for=condition=Established", "crd/powerprofiles.negawatt.dev")

    def furnish(self, *, profiles: bool = True, **counts: int) -> None:
        """Make nodes of kinds, and their PowerProfiles as `PEAK_WATTS` has them."""
        items = [self.node(kind, number) for kind in counts for number in range(counts[kind])]
        if profiles:
            items += [self.profile(kind, PEAK_WATTS[kind]) for kind in counts]
        self._made = {"apiVersion": "v1", "kind": "List", "items": items}
        self.plane.kubectl("create", "-f", "-", manifest=self._made)

    def clear(self) -> None:
        """Delete all of it."""
        self.plane.kubectl("delete", "--ignore-not-found", "-f", "-", manifest=self._made)

    def node(self, kind: str, number: int) -> dict[str, object]:
        """Describe a node of a kind."""
        labels = {KIND: f"{self.prefix}-{kind}"}
        return fake_node(f"{self.prefix}-{kind}-{number}", labels=labels)

    def profile(self, kind: str, peak_watts: float) -> dict[str, object]:
        """Describe what nodes of a kind draw: 50 W when idle."""
        return {
            "apiVersion": "negawatt.dev/v1alpha1",
            "kind": "PowerProfile",
            "metadata": {"name": f"{self.prefix}-{kind}"},
            "spec": {
                "nodeSelector": {KIND: f"{self.prefix}-{kind}"},
                "idle_watts": 50,
                "peak_watts": peak_watts,
            },
        }

    def metadata(self) -> dict[str, Any]:
        """What the API server has of each node, with owners, without versions and times."""
        text = self.plane.kubectl("get", "node", "--output=json", "--show-managed-fields")
        return {
            item["metadata"]["name"]: _settled(item["metadata"])
            for item in json.loads(text)["items"]
            if self.prefix in item["metadata"]["name"]
        }

    def labels(self) -> dict[str, str | None]:
        """Tier label by node, without the prefix."""
        return {
            name.removeprefix(f"{self.prefix}-"): metadata["labels"].get(ENERGY_TIER_LABEL)
            for name, metadata in self.metadata().items()
        }

    @contextmanager
    def controller(
        self,
        leadership: Leadership | None = None,
        *,
        client: KubeClient | None = None,
        changed: Callable[[LabelChange], object] = lambda _change: None,
        **settings: object,
    ) -> Iterator[Controller]:
        """Run a controller, in `act` unless told otherwise."""
        told = read_settings({"mode": "act", **settings}, environ={})
        with controller_of(
            told, client or self.client, self.clock, leadership or Alone(), changed
        ) as running:
            yield running

    def tiers(self, controller: Controller) -> dict[str, NodeTier]:
        """What a controller says of our nodes, without the prefix; empty before its first look."""
        survey = controller.figures().survey
        found = () if survey is None else survey.tiers()
        return {
            each.node.removeprefix(f"{self.prefix}-"): each
            for each in found
            if self.prefix in each.node
        }


def controller_of(
    settings: TiersSettings,
    client: KubeClient,
    clock: Clock,
    leadership: Leadership,
    changed: Callable[[LabelChange], object],
) -> Controller:
    """Make a controller whose informers come back quickly."""
    rng = Random(1)
    return Controller(
        settings,
        Relabelling(labels=NodeLabels(client), now=clock, rng=rng, force=settings.force),
        lambda woken: ClusterWatch(client, woken, rng=rng, settings=QUICK),
        leadership,
        wall=clock,
        changed=changed,
    )


def _settled(metadata: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in metadata.items() if key != "resourceVersion"}
    kept["managedFields"] = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in metadata["managedFields"]
        if entry.get("subresource") != "status"  # KWOK's heartbeats
    ]
    return kept


def write_account_kubeconfig(plane: ControlPlane, token: str, path: Path) -> Path:
    """Write the administrator's kubeconfig with another's token."""
    config = yaml.safe_load(plane.kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"] = {"token": token}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
