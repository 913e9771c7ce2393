"""What the meter takes from a node and a pod as the API server describes them."""

from __future__ import annotations

import pytest

from energy.catalogue import Catalogue
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.fleet_nodes import SERVER_LABEL
from simulator.sandbox.meter import read_node_use, read_running_pod

CATALOGUE = Catalogue.shipped()
R720 = "dell-poweredge-r720-e5-2660"


def pod(
    *requests: str | None, phase: str = "Running", usage: str | None = None
) -> dict[str, object]:
    """A pod on node-1, one container per request."""
    annotations = {} if usage is None else {"kwok.x-k8s.io/usage-cpu": usage}
    containers = [
        {"name": f"c{number}", "resources": {"requests": {"cpu": cpu}} if cpu else {}}
        for number, cpu in enumerate(requests)
    ]
    return {
        "metadata": {"name": "p", "namespace": "x", "uid": "u", "annotations": annotations},
        "spec": {"nodeName": "node-1", "containers": containers},
        "status": {"phase": phase},
    }


@pytest.mark.parametrize(
    ("item", "cores"),
    [
        (pod("2"), 1.0),
        (pod("2", "500m"), 1.25),
        (pod("2", None), 1.0),
        (pod("2", usage="300m"), 0.3),
        (pod("2", "1", usage="300m"), 0.6),  # KWOK's annotation is for each container
        (pod("2", usage="rubbish"), 1.0),
        (pod("2", usage="0"), 0.0),
        (pod(None), 0.0),
    ],
)
def test_use_is_the_annotation_or_a_share_of_the_requests(
    item: dict[str, object], cores: float
) -> None:
    """At a ratio of one half, as KWOK itself counts."""
    found = read_running_pod(item, usage_ratio=0.5)

    assert found.node == "node-1"
    assert found.use is not None
    assert found.use.cpu_cores == pytest.approx(cores)


@pytest.mark.parametrize("phase", ["Pending", "Unknown"])
def test_pod_that_does_not_run_uses_nothing(phase: str) -> None:
    """Bound is not running."""
    assert read_running_pod(pod("2", phase=phase), usage_ratio=0.5).use is None


def test_pod_that_cannot_be_read_uses_nothing() -> None:
    """The meter goes on."""
    assert read_running_pod({"metadata": 7}, usage_ratio=0.5).use is None


def test_node_has_the_curve_of_its_server() -> None:
    """The label names the server; the watts are those that were measured."""
    use = read_node_use(fake_node("n", cpu="16", labels={SERVER_LABEL: R720}), catalogue=CATALOGUE)

    assert use is not None
    assert use.profile.curve == CATALOGUE.servers[R720].curve
    assert use.cpu_cores == 16
    assert use.processor == CATALOGUE.servers[R720].cpu


def test_node_of_no_known_server_gets_a_curve_by_its_size() -> None:
    """Somebody's own node draws something, rather than nothing."""
    use = read_node_use(fake_node("n", cpu="16"), catalogue=CATALOGUE)

    assert use is not None
    assert use.profile.idle_watts > 0


@pytest.mark.parametrize(
    ("cordoned", "key", "asleep"),
    [
        (True, "negawatt.dev/asleep", True),
        (False, "negawatt.dev/asleep", False),
        (True, "example.com/broken", False),
    ],
)
def test_node_sleeps_when_it_is_cordoned_and_tainted(
    *, cordoned: bool, key: str, asleep: bool
) -> None:
    """Both: a taint alone is no power switch."""
    manifest = fake_node("n")
    manifest["spec"] = {
        "unschedulable": cordoned,
        "taints": [{"key": key, "effect": "NoSchedule"}],
    }
    use = read_node_use(manifest, catalogue=CATALOGUE)

    assert use is not None
    assert use.asleep is asleep
