"""Samples as readings of nodes: sockets add up, zones and views never do."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.node_names import NodeNames
from telemetry.node_readings import STRANGERS_MAX, NodeReading, readings_of
from telemetry.presets import (
    CPU_PRESETS,
    PACKAGE_PRESETS,
    WALL_PRESETS,
    Preset,
    QueryScope,
)
from telemetry.sample import Sample

NAMES = NodeNames(names=frozenset({"a", "b"}))
PRESETS = {preset.name: preset for preset in (*CPU_PRESETS, *WALL_PRESETS, *PACKAGE_PRESETS)}
AT = 1000.0


def sample(value: float | None, **labels: str) -> Sample:
    """Return a sample of node `a`, unless the labels name another."""
    return Sample(labels={"node_name": "a", **labels}, value=value, evaluated_at_seconds=AT)


def read(preset: str, *samples: Sample, at: float = AT - 5) -> NodeReading:
    """Return node a's reading of samples that were all taken at one time."""
    times = [Sample(labels=one.labels, value=at, evaluated_at_seconds=AT) for one in samples]
    return readings_of(PRESETS[preset], samples, times, NAMES).by_node["a"]


def test_two_sockets_are_added() -> None:
    """Both generations of Kepler, and node_exporter."""
    new = read(
        "kepler",
        sample(50.0, zone="package", path="/sys/0"),
        sample(60.0, zone="package", path="/sys/1"),
    )
    old = read(
        "kepler-joules",
        sample(10.0, package="0", mode="idle", source="rapl-sysfs"),
        sample(30.0, package="0", mode="dynamic", source="rapl-sysfs"),
        sample(12.0, package="1", mode="idle", source="rapl-sysfs"),
        sample(28.0, package="1", mode="dynamic", source="rapl-sysfs"),
    )
    exporter = read("node-exporter-rapl", sample(50.0, index="0"), sample(60.0, index="1"))

    assert (new.value, old.value, exporter.value) == (110.0, 80.0, 110.0)


def test_the_same_exporter_scraped_twice_is_not_added() -> None:
    """Two jobs, or two replicas of Prometheus behind one address."""
    twice = read(
        "kepler",
        sample(50.0, zone="package", path="/sys/0", job="kepler"),
        sample(60.0, zone="package", path="/sys/1", job="kepler"),
        sample(51.0, zone="package", path="/sys/0", job="pods"),
        sample(59.0, zone="package", path="/sys/1", job="pods"),
    )
    load = read("kubelet", sample(2.0, job="a"), sample(3.0, job="b"))

    assert twice.value == 111.0
    assert load.value == 3.0


def test_two_meters_of_one_thing_are_not_added() -> None:
    """An old Kepler that reads RAPL in two ways has one package, not two."""
    reading = read(
        "kepler-joules",
        sample(40.0, package="0", mode="dynamic", source="rapl-sysfs"),
        sample(41.0, package="0", mode="dynamic", source="rapl-msr"),
    )

    assert reading.value == 41.0


def test_power_supplies_add_up_and_power_controls_do_not() -> None:
    """A CPU sub-system is a part of its server, and an enclosure contains it."""
    supplies = read(
        "kepler-platform-supplies",
        sample(245.0, bmc_id="1", chassis_id="1U", source_id="PS1"),
        sample(5.0, bmc_id="1", chassis_id="1U", source_id="PS2"),
    )
    controls = read(
        "kepler-platform",
        sample(450.5, bmc_id="1", chassis_id="S", source_id="PC1", source_name="Server"),
        sample(85.2, bmc_id="1", chassis_id="S", source_id="PC2", source_name="CPU Sub-system"),
    )

    assert (supplies.value, controls.value) == (250.0, 450.5)


def test_a_missing_part_makes_the_whole_missing() -> None:
    """Half of a node's sockets would look like a thrifty node."""
    parts = sample(50.0, zone="package", path="0"), sample(None, zone="package", path="1")
    views = sample(None, source_id="PC1"), sample(85.0, source_id="PC2")

    assert read("kepler", *parts).value is None
    assert read("kepler-platform", *views).value is None


def test_a_reading_is_as_old_as_its_oldest_part() -> None:
    """The time is the sample's own, never that of the query; without one the age is unknown."""
    first, second = sample(1.0, index="0"), sample(1.0, index="1")
    times = [
        Sample(labels=first.labels, value=900.0, evaluated_at_seconds=AT),
        Sample(labels=second.labels, value=990.0, evaluated_at_seconds=AT),
    ]
    preset = PRESETS["node-exporter-rapl"]

    whole = readings_of(preset, [first, second], times, NAMES).by_node["a"]
    timeless = readings_of(preset, [first, second], times[:1], NAMES).by_node["a"]

    assert whole.sampled_at_seconds == 900.0
    assert timeless.sampled_at_seconds is None


def test_samples_of_strangers_are_counted_and_the_first_few_named() -> None:
    """None of them is given to a node of ours."""
    strangers = [sample(1.0, node_name=f"s{number}") for number in range(9)]

    found = readings_of(PRESETS["kubelet"], [*strangers, sample(2.0)], [], NAMES)

    assert found.unmatched == 9
    assert found.strangers == tuple(f"node_name=s{number}" for number in range(STRANGERS_MAX))
    assert found.by_node.keys() == {"a"}


WATTS = st.floats(0, 1000)


@given(
    packages=st.lists(WATTS, min_size=1, max_size=4),
    others=st.lists(st.tuples(st.sampled_from(["dram", "core", "uncore", "psys"]), WATTS)),
)
def test_zones_are_never_summed(packages, others) -> None:
    """Whatever zones a node exports, its package watts are those of its sockets."""
    preset = PRESETS["kepler"]
    samples = [
        sample(watts, zone="package", path=str(number)) for number, watts in enumerate(packages)
    ] + [sample(watts, zone=zone, path=str(n)) for n, (zone, watts) in enumerate(others)]
    # What the query's own matcher lets through.
    through = [one for one in samples if one.labels["zone"].startswith("package")]

    reading = read("kepler", *through)

    assert 'zone=~"package(-[0-9]+)?"' in preset.value_query(QueryScope())
    assert reading.value == pytest.approx(math.fsum(packages))


@given(st.lists(st.tuples(WATTS, st.sampled_from("ab"), st.sampled_from("xyz")), min_size=1))
def test_a_reading_lies_between_the_largest_part_and_the_sum(found) -> None:
    """Whatever is combined, no part exceeds the whole and nothing is counted twice."""
    for preset in PRESETS.values():
        samples = [
            sample(value, **dict.fromkeys(preset.addends, part), job=job)
            for value, part, job in found
        ]
        value = read(preset.name, *samples).value

        assert value is not None
        assert max(one for one, _, _ in found) <= value <= sum(one for one, _, _ in found) + 1e-6


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_every_query_carries_the_matchers_of_its_scope(preset: Preset) -> None:
    """Several clusters may share one Prometheus."""
    scope = QueryScope(window_seconds=90, matchers='cluster="prod"')

    for query in (preset.value_query(scope), preset.time_query(scope)):
        assert query.count('cluster="prod"') == query.count(preset.metric) == 1
    assert ("[90s]" in preset.value_query(scope)) == (preset.metric.endswith("_total"))
