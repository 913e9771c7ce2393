"""A sandbox with tiers: real controller, real scheduler, and pods on the cheapest nodes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from command_line import negawatt

from cluster.scheduling.profile import ENERGY_TIER_LABEL
from simulator.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from sandbox_fixtures import SandboxFactory

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 120.0
NODES, PODS = 12, 12


@pytest.fixture(scope="module")
def tiered(sandbox_factory: SandboxFactory) -> Sandbox:
    """Give a sandbox whose scheduler goes by tiers; as soon as it is up every node has one."""
    started = sandbox_factory(nodes=NODES, tiers=True)
    assert None not in tier_of_node(started).values()
    return started


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def tier_of_node(sandbox: Sandbox) -> dict[str, str | None]:
    """Give the label of each node."""
    items = json.loads(sandbox.kubectl("get", "nodes", "--output=json"))["items"]
    return {
        item["metadata"]["name"]: item["metadata"]["labels"].get(ENERGY_TIER_LABEL)
        for item in items
    }


def nodes_of_pods(sandbox: Sandbox) -> list[str]:
    """Give the node of each pod that has one."""
    items = json.loads(sandbox.kubectl("get", "pods", "--output=json"))["items"]
    return [item["spec"]["nodeName"] for item in items if "nodeName" in item["spec"]]


def test_pods_go_to_the_best_tier_that_the_controller_has_found(tiered: Sandbox) -> None:
    """Though nodes of the others are empty."""
    tiers = tier_of_node(tiered)
    assert len(set(tiers.values())) > 2
    best = {name for name, tier in tiers.items() if tier == min(filter(None, tiers.values()))}

    image = ("--image=none", f"--replicas={PODS}")
    tiered.kubectl("create", "deployment", "small", *image)
    tiered.kubectl("set", "resources", "deployment", "small", "--requests=cpu=100m,memory=64Mi")
    until(lambda: len(nodes_of_pods(tiered)) >= PODS, "pods wait")

    # The first of them may come from before the requests were set: those go, too.
    assert set(nodes_of_pods(tiered)) <= best


def test_status_names_the_controller_and_what_it_says(tiered: Sandbox) -> None:
    """As it names the extender."""
    (seen,) = (each for each in tiered.status().components if each.name == "tiers")
    assert (seen.mode, seen.ready) == ("act", True)
    plan = negawatt(
        *("extender", "tiers", "plan", "--output", "json"), "--kubeconfig", tiered.kubeconfig
    )
    assert {each["state"] for each in json.loads(plan.stdout)["nodes"]} == {"right"}
