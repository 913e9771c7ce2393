"""The page is Prometheus' text with Kepler's documented names; it lies only where it is told to."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile
from simulator.sandbox.exposition import ABSURD_WATTS, Fault, exposition, fault_named
from simulator.sandbox.meter import MeterPage
from simulator.sandbox.metered_cluster import MeteredCluster
from simulator.sandbox.power_meter import NodeUse, PodUse

LINE = NodePowerProfile(name="line", curve=PowerCurve.linear(100, 200), sleep_watts=5)
# Kepler 0.11 docs/user/metrics.md; Kepler 0.9 pkg/metrics.
DOCUMENTED = {
    "kepler_node_cpu_watts": {"zone", "path", "node_name"},
    "kepler_node_cpu_active_watts": {"zone", "path", "node_name"},
    "kepler_node_cpu_idle_watts": {"zone", "path", "node_name"},
    "kepler_node_cpu_joules_total": {"zone", "path", "node_name"},
    "kepler_node_cpu_active_joules_total": {"zone", "path", "node_name"},
    "kepler_node_cpu_idle_joules_total": {"zone", "path", "node_name"},
    "kepler_node_cpu_usage_ratio": {"node_name"},
    "kepler_node_cpu_info": {
        *("processor", "vendor_id", "model_name", "physical_id", "core_id", "node_name")
    },
    "kepler_platform_watts": {
        *("source", "node_name", "bmc_id", "chassis_id"),
        *("source_id", "source_name", "source_type"),
    },
    "kepler_pod_cpu_watts": {
        *("pod_id", "pod_name", "pod_namespace", "state", "zone", "node_name")
    },
    "kepler_pod_cpu_joules_total": {
        *("pod_id", "pod_name", "pod_namespace", "state", "zone", "node_name")
    },
    "kepler_node_package_joules_total": {"package", "instance", "mode", "source"},
    "kepler_container_package_joules_total": {
        *("container_id", "pod_name", "container_name", "container_namespace", "mode")
    },
}


class Clock:
    """Goes on when it is told."""

    seconds = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return self.seconds


def metered(clock: Clock, cores_of_pods: dict[str, float]) -> MeteredCluster:
    """One awake node with these pods, one that sleeps."""
    cluster = MeteredCluster(clock)
    cluster.put_node(NodeUse(name="a", profile=LINE, cpu_cores=10, processor='X "9"'))
    cluster.put_node(NodeUse(name="b", profile=LINE, cpu_cores=10, asleep=True))
    for name, cores in cores_of_pods.items():
        pod = PodUse(
            uid=f"uid-{name}", namespace="x", name=name, containers=("c", "d"), cpu_cores=cores
        )
        cluster.put_pod(f"x/{name}", "a", pod)
    return cluster


def samples(page: str) -> dict[str, list[Sample]]:
    """Read a page as Prometheus' own library does; sample name -> samples."""
    found = defaultdict(list)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found[sample.name].append(sample)
    return dict(found)


def value(found: dict[str, list[Sample]], name: str, **labels: str) -> float:
    """Give the value of the only sample with these labels."""
    (sample,) = [one for one in found[name] if labels.items() <= one.labels.items()]
    return sample.value


def test_names_and_labels_are_those_that_kepler_documents() -> None:
    """A dashboard made for Kepler finds what it looks for."""
    found = samples(exposition(metered(Clock(), {"p": 2.0}).readings()))

    labels = {name: set().union(*(one.labels for one in group)) for name, group in found.items()}
    assert labels == DOCUMENTED


@given(st.dictionaries(st.sampled_from(["p", "q", "r"]), st.floats(0, 20), min_size=1))
def test_on_the_page_too_pods_and_idle_make_up_the_node(cores: dict[str, float]) -> None:
    """In watts and in joules, in every zone, under new names and old."""
    clock = Clock()
    cluster = metered(clock, cores)
    clock.seconds = 100
    found = samples(exposition(cluster.readings()))

    for zone in ("package", "core", "dram"):
        for unit in ("watts", "joules_total"):
            pods = [one for one in found[f"kepler_pod_cpu_{unit}"] if one.labels["zone"] == zone]
            of_zone = {"zone": zone, "node_name": "a"}
            idle = value(found, f"kepler_node_cpu_idle_{unit}", **of_zone)
            whole = value(found, f"kepler_node_cpu_{unit}", **of_zone)
            assert idle + sum(one.value for one in pods) == pytest.approx(whole)
    old = [
        value(found, "kepler_node_package_joules_total", instance="a", mode=mode)
        for mode in ("idle", "dynamic")
    ]
    new = value(found, "kepler_node_cpu_joules_total", zone="package", node_name="a")
    containers = sum(one.value for one in found["kepler_container_package_joules_total"])
    assert sum(old) == pytest.approx(new)
    assert containers == pytest.approx(old[1])


def test_sleeping_node_shows_its_sleep_watts_at_the_wall_and_none_in_its_package() -> None:
    """The management controller draws on; the CPU does not."""
    found = samples(exposition(metered(Clock(), {}).readings()))

    assert value(found, "kepler_platform_watts", node_name="b") == 5
    assert value(found, "kepler_node_cpu_watts", node_name="b", zone="package") == 0
    assert value(found, "kepler_node_cpu_usage_ratio", node_name="b") == 0


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(Fault.NAN, math.nan), (Fault.NEGATIVE, -100.0), (Fault.ABSURD, ABSURD_WATTS)],
)
def test_lying_meter_says_the_same_of_every_node(fault: Fault, expected: float) -> None:
    """The page stays well formed, and the watts are what the fault says."""
    found = samples(exposition(metered(Clock(), {}).readings(), fault=fault))

    said = value(found, "kepler_platform_watts", node_name="a")
    assert said == pytest.approx(expected, nan_ok=True)


def test_absent_meter_says_nothing() -> None:
    """An empty page is a successful scrape without series."""
    assert samples(exposition(metered(Clock(), {"p": 1.0}).readings(), fault=Fault.ABSENT)) == {}


def test_frozen_and_stale_pages_repeat_what_was_true_and_recover(tmp_path: Path) -> None:
    """Frozen looks fresh, stale says its age; without the file the truth returns."""
    file = tmp_path / "fault"
    cluster = metered(Clock(), {})
    page = MeterPage(cluster, file)
    for fault, stamped in ((Fault.FROZEN, False), (Fault.STALE, True)):
        file.write_text(fault.value)
        before = page.text()
        pod = PodUse(uid=fault, namespace="x", name="p", containers=("c",), cpu_cores=10)
        cluster.put_pod("x/p", "a", pod)
        assert page.text() == before
        stamps = {one.timestamp is not None for group in samples(before).values() for one in group}
        assert stamps == {stamped}
        file.unlink()
        assert value(samples(page.text()), "kepler_platform_watts", node_name="a") == 200
        cluster.put_pod("x/p", None, None)


@pytest.mark.parametrize(("text", "fault"), [("nan\n", Fault.NAN), ("", Fault.NONE), ("?", "none")])
def test_unknown_fault_is_none(text: str, fault: str) -> None:
    """A half-written file does not end the meter."""
    assert fault_named(text) == fault
