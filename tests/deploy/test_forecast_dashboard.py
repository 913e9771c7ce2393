"""The dashboard of forecasts: whole, in order, and about series that are documented.

Its queries are answered by a real Prometheus in `tests/integration/test_forecast_sandbox.py`.
"""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
import repository

from forecaster import metrics as forecaster
from telemetry.bridge import metrics as bridge

FILE = repository.ROOT / "deploy" / "grafana" / "forecast.json"
DASHBOARD = json.loads(FILE.read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [target for panel in PANELS for target in panel["targets"]]
METRIC = re.compile(r"\b(?:negawatt|process)_\w+")
FAMILIES = {family.name: family for family in (*forecaster.FAMILIES, *bridge.FAMILIES)}
CHOSEN = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
UNITS = {
    "_requests_per_second": {"reqps"},
    "_seconds": {"s"},
    "_ratio": {"percentunit"},
    "_bytes": {"bytes"},
}
#: In Prometheus 2.42 and in 3: https://prometheus.io/docs/prometheus/latest/migration/.
KNOWN_WORDS = {"sum", "max", "min", "avg", "count", "rate", "increase", "by", "and", "on"}


def test_panels_have_their_own_numbers_and_places() -> None:
    """Grafana draws only one of two panels with the same id, or in the same place."""
    every = DASHBOARD["panels"]
    places = [(panel["title"], panel["gridPos"]) for panel in every]

    assert len({panel["id"] for panel in every}) == len(every)
    assert [title for title, place in places if place["x"] + place["w"] > COLUMNS] == []
    assert [
        (one, other)
        for (one, a), (other, b) in combinations(places, 2)
        if a["x"] < b["x"] + b["w"]
        and b["x"] < a["x"] + a["w"]
        and a["y"] < b["y"] + b["h"]
        and b["y"] < a["y"] + a["h"]
    ] == []


def test_whoever_imports_it_chooses_the_prometheus() -> None:
    """No panel names a data source of ours; the first variable does."""
    variables = DASHBOARD["templating"]["list"]

    assert (variables[0]["name"], variables[0]["type"]) == ("datasource", "datasource")
    assert all(each["datasource"] == CHOSEN for each in variables if each["type"] == "query")
    assert all(panel["datasource"] == CHOSEN for panel in PANELS)
    assert all(target["datasource"] == CHOSEN for target in TARGETS)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_in_the_metrics_own_unit(panel) -> None:
    """Seconds are not drawn as rates, nor a counter's total as if it were one."""
    unit = panel["fieldConfig"]["defaults"]["unit"]

    assert panel["description"].endswith(".")
    for target in panel["targets"]:
        metric = METRIC.findall(target["expr"])[0]
        if metric.endswith("_total"):
            assert "rate(" in target["expr"] or "increase(" in target["expr"]
        for ending, expected in UNITS.items():
            if metric.endswith(ending) and "count(" not in target["expr"]:
                assert unit in expected


def test_every_series_is_one_that_is_served() -> None:
    """A renamed metric, or a label that is none of its own, is missed here and not at night."""
    for target in TARGETS:
        for metric, labels in re.findall(r"((?:negawatt)_\w+)\{([^}]*)\}", target["expr"]):
            family = FAMILIES[metric]
            named = set(re.findall(r"(\w+)=", labels)) - {"job"}
            assert named <= {*family.labels}, target["expr"]
        assert {name for name in METRIC.findall(target["expr"]) if "process_" not in name} <= set(
            FAMILIES
        )


def test_the_drift_that_is_drawn_is_the_one_that_trains_new_models() -> None:
    """Pooled over workloads the largest alone would draw it."""
    (drift,) = [panel for panel in PANELS if "at its training" in panel["title"]]
    (now, _) = METRIC.findall(" ".join(target["expr"] for target in drift["targets"]))
    assert now == "negawatt_forecaster_typical_relative_mae_ratio"


def test_series_of_the_forecaster_are_of_the_chosen_job() -> None:
    """Two clusters in one Prometheus stay apart."""
    for target in TARGETS:
        expression = target["expr"]
        ours = re.findall(r"negawatt_forecast\w*", expression)
        assert len(re.findall(r'negawatt_forecast\w*\{job=~"\$job"', expression)) == len(ours)


def test_only_what_prometheus_2_and_3_share_is_asked() -> None:
    """Functions and words, none of which changed its meaning."""
    for target in TARGETS:
        expression = re.sub(r"\{[^}]*\}", "", target["expr"])
        assert set(re.findall(r"\b([a-z_]+) ?\(", expression)) <= KNOWN_WORDS, expression


def test_the_lead_that_is_offered_is_one_that_forecasts_have() -> None:
    """Every horizon, as Prometheus writes durations."""
    (lead,) = [each for each in DASHBOARD["templating"]["list"] if each["name"] == "lead"]

    assert [option["text"] for option in lead["options"]] == [
        "5m",
        "10m",
        "15m",
        "20m",
        "25m",
        "30m",
    ]
    assert lead["query"] == ",".join(option["value"] for option in lead["options"])


def test_the_file_is_written_as_grafana_exports_it() -> None:
    """Two spaces, no id of one installation, so that a change shows as a small difference."""
    assert DASHBOARD["id"] is None
    text = json.dumps(DASHBOARD, indent=2, ensure_ascii=False) + "\n"
    assert Path(FILE).read_text(encoding="utf-8") == text
