"""The page on readings says what is asked, in the order in which it is."""

from __future__ import annotations

from repository import ROOT

from telemetry.node_load import LoadLimits
from telemetry.node_names import NAMING_LABELS
from telemetry.presets import CPU_PRESETS, PACKAGE_PRESETS, WALL_PRESETS, QueryScope
from telemetry.prometheus import PrometheusSettings
from telemetry.reader import ReaderSettings

PAGE = (ROOT / "docs" / "reference" / "readings.md").read_text()


def test_every_query_stands_there_in_its_order() -> None:
    """As it is sent to Prometheus by default, within `max by`; a table's bars are escaped."""
    rows = [
        f"| `{preset.name}` | `{preset.expression(QueryScope()).replace('|', chr(92) + '|')}` |"
        for preset in (*CPU_PRESETS, *WALL_PRESETS, *PACKAGE_PRESETS)
    ]
    places = [PAGE.find(row) for row in rows]

    assert -1 not in places
    assert places == sorted(places)


def test_the_labels_that_name_a_node_stand_there_in_their_order() -> None:
    """The first that a sample has decides."""
    flat = " ".join(PAGE.split())

    assert ", ".join(f"`{label}`" for label in NAMING_LABELS) in flat


def test_the_defaults_are_those_that_the_page_states() -> None:
    """120 s, 10 s, 1.5 times, 0.5, five minutes, once a minute, 300 s, 5 s."""
    limits, reader = LoadLimits(), ReaderSettings()
    prometheus = PrometheusSettings(url="http://prometheus:9090")

    assert (limits.stale_seconds, limits.ahead_seconds, limits.absurd_ratio) == (120, 10, 1.5)
    assert (reader.stale_seconds, reader.absurd_ratio) == (120, 1.5)
    assert (reader.usage_ratio, reader.usage_ratio_fallback) == (None, 0.5)
    assert (reader.probe_seconds, reader.workloads_seconds) == (300, 60)
    assert prometheus.rate_window_seconds == QueryScope().window_seconds == 300
    assert prometheus.timeout_seconds == 5
