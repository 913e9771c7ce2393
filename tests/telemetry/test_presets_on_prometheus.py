"""Every preset against a real Prometheus: what it finds, and how old it says that is."""

from __future__ import annotations

import time

import pytest

from telemetry.node_names import NodeNames
from telemetry.node_readings import PresetReadings, readings_of
from telemetry.presets import (
    CPU_PRESETS,
    PACKAGE_PRESETS,
    WALL_PRESETS,
    Preset,
    QueryScope,
)
from telemetry.prometheus import Prometheus

pytestmark = pytest.mark.prometheus

NAMES = NodeNames(
    names=frozenset(f"worker-{number}" for number in range(1, 6)),
    aliases={"10.0.0.4": "worker-4", "10.0.0.5": "worker-5"},
)
EXPECTED = {
    "kubelet": {"worker-1": 2.5},
    "cadvisor": {"worker-1": 2.6},
    "kepler-usage-ratio": {"worker-2": 0.25, "worker-3": None},
    "node-exporter": {"worker-4": 1.6},  # 4 CPUs, 40 % of the time neither idle nor waiting
    "kepler-platform-supplies": {"worker-2": 290.0},
    "kepler-platform": {"worker-3": 310.0},
    "kepler-platform-joules": {"worker-1": 190.0},
    "ipmi": {"worker-5": 220.0},
    "kepler": {"worker-2": 110.0, "worker-3": 70.0},
    "kepler-joules": {"worker-1": 75.0},
    "node-exporter-rapl": {"worker-4": 81.0},
}
PRESETS = (*CPU_PRESETS, *WALL_PRESETS, *PACKAGE_PRESETS)


def ask(prometheus: Prometheus, preset: Preset) -> PresetReadings:
    """Ask a preset as the reader does."""
    scope = QueryScope(window_seconds=prometheus.settings.rate_window_seconds)
    values = prometheus.query(preset.value_query(scope))
    times = prometheus.query(preset.time_query(scope))
    return readings_of(preset, values, times, NAMES)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_preset_finds_what_its_exporter_puts_out(scraping: Prometheus, preset: Preset) -> None:
    """Parts are added, other zones, estimates and strangers are not, and ages are small."""
    found = ask(scraping, preset)

    values = {node: reading.value for node, reading in found.by_node.items()}
    assert values == {
        node: value if value is None else pytest.approx(value, rel=0.02)
        for node, value in EXPECTED[preset.name].items()
    }
    for reading in found.by_node.values():
        assert reading.sampled_at_seconds is not None
        assert 0 <= time.time() - reading.sampled_at_seconds < 30
    assert found.unmatched == (preset.name == "kepler-usage-ratio")


def test_the_presets_are_all_tried() -> None:
    """A preset without an expectation would be a query that nobody has seen work."""
    assert {preset.name for preset in PRESETS} == EXPECTED.keys()
