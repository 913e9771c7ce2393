"""The metrics: well-formed, complete, named on their page, and never in the way of a pod."""

from __future__ import annotations

import asyncio
import re

import pytest
import repository
from asgi_caller import ELSEWHERE, ask
from prometheus_client.parser import text_string_to_metric_families
from steady_scorer import SteadyScorer, figures, node_figures

from extender.app import create_app
from extender.figures import Figures, Forgone, Workload
from extender.metrics import SLICE_LINES, RequestMetrics, exposition
from extender.reference import PAGES
from extender.settings import ExtenderSettings
from extender.state_metrics import FAMILIES

UNITS = {
    "seconds", "watts", "joules", "ratio", "bytes", "pods", "nodes", "decisions",
    "requests", "errors", "scores", "solves", "records", "objects",
}  # fmt: skip
UNITLESS = {"build_info", "node_drifted", "source_stale"}


def text(state):
    """Everything that /metrics would say of a state."""

    async def whole():
        return b"".join([piece async for piece in exposition(RequestMetrics(), state)])

    return asyncio.run(whole()).decode()


def samples(state):
    """Name and labels of every series -> value, as Prometheus reads them."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text(state))
        for sample in family.samples
    }


def test_prometheus_reads_back_what_was_written():
    """Values, labels, infinity and signs."""
    found = samples(figures())

    def value(series, /, **labels):
        return found[f"negawatt_extender_{series}", *sorted(labels.items())]

    web = {"namespace": "shop", "kind": "Deployment", "name": "web"}
    jobs = {"namespace": "shop", "kind": "Job", "name": "nightly"}
    assert value("forgone_watts", **web) == 12.5
    assert value("forgone_watts", **jobs) == -2.0
    assert value("forgone_joules", **web) == 4000.0
    assert value("forgone_total_watts") == 13.75
    assert value("decisions_total", mode="observe", outcome="other") == 2
    assert value("scores_total", score="10") == 40
    assert value("node_measured_watts", node="node-1", source="kepler") == 133.5
    assert value("node_residual_watts", node="node-1") == -6.5
    assert value("node_drifted", node="node-2") == 1
    assert value("load_source_nodes", source="requests") == 1
    assert value("source_age_seconds", source="cpu-load") == float("inf")
    assert value("source_stale", source="cpu-load") == 1
    assert value("source_stale", source="nodes") == 0
    assert value("usage_ratio", source="measured") == 0.4
    assert value("ledger_dropped_records_total") == 1


def test_what_is_not_known_is_absent_rather_than_0():
    """A node without a meter draws something."""
    names = {(name, dict(labels).get("node")) for name, *labels in samples(figures())}

    assert ("negawatt_extender_node_predicted_watts", "node-2") in names
    assert ("negawatt_extender_node_measured_watts", "node-2") not in names
    assert ("negawatt_extender_node_residual_watts", "node-2") not in names
    assert ("negawatt_extender_node_load_age_seconds", "node-2") not in names


def test_an_empty_state_is_well_formed():
    """An extender that has just started has counters at 0 and no rows per node."""
    found = samples(Figures(mode="act", rule="negawatt"))

    assert found["negawatt_extender_pods",] == 0
    assert ("negawatt_extender_price_age_seconds",) not in found
    build = next(key for key in found if key[0] == "negawatt_extender_build_info")
    assert {("mode", "act"), ("rule", "negawatt")} < set(build[1:])


@pytest.mark.parametrize("odd", ['a"b', "a\\b", "a\nb", "é", "", "{x=}", "\\n"])
def test_any_name_may_be_a_label(odd):
    """Escaped as the format asks."""
    workload = Workload(namespace=odd, kind="K", name=odd)
    state = Figures(
        mode="observe",
        rule="negawatt",
        nodes={odd: node_figures()},
        forgone={workload: Forgone(watts=1.0, joules=2.0, decisions=3)},
    )

    found = samples(state)

    key = ("kind", "K"), ("name", odd), ("namespace", odd)
    assert found["negawatt_extender_forgone_watts", *key] == 1.0
    assert found["negawatt_extender_node_drifted", ("node", odd)] == 0


def test_every_family_has_a_row_and_its_labels():
    """A family that no state fills, or with other labels than it says, is found here."""
    state = figures()

    for family in FAMILIES:
        rows = list(family.rows(state))
        assert rows, family.name
        assert {len(labels) for labels, _ in rows} == {len(family.labels)}, family.name


def test_names_end_with_a_unit_and_counters_with_total():
    """So that a query can be read without the page."""
    for name, kind in re.findall(r"^# TYPE (negawatt_\S+) (\w+)$", text(figures()), re.MULTILINE):
        stem = name.removeprefix("negawatt_extender_").removesuffix("_total")
        assert name.endswith("_total") == (kind == "counter"), name
        assert stem in UNITLESS or stem.rpartition("_")[2] in UNITS, name


def test_help_says_what_was_not_measured():
    """A watt on a dashboard looks measured."""
    helps = {family.name: family.text for family in FAMILIES}

    for name, said in helps.items():
        if "forgone" in name and name.endswith(("watts", "joules")):
            assert "signed" in said
            assert "predicted, not measured" in said
    assert "not measured" in helps["negawatt_extender_node_predicted_watts"]
    assert "simulated" in helps["negawatt_extender_node_measured_watts"]


def test_a_large_cluster_is_told_in_pieces():
    """Between two pieces another request is answered: here a clock that counts the chances."""
    state = figures(nodes={f"node-{index}": node_figures() for index in range(2000)})

    async def chances():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        clock = asyncio.create_task(tick())
        lines = 0
        async for piece in exposition(RequestMetrics(), state):
            lines += piece.count(b"\n")
        clock.cancel()
        return ticks, lines

    ticks, lines = asyncio.run(chances())
    assert lines > 10_000
    assert ticks > lines / SLICE_LINES / 3  # a head is a line or two of its own


def test_a_node_that_appears_meanwhile_does_no_harm():
    """The core may go on while the text is sent."""
    nodes = {f"node-{index}": node_figures() for index in range(1000)}

    async def read():
        count = 0
        async for piece in exposition(RequestMetrics(), figures(nodes=nodes)):
            nodes[f"new-{count}"] = node_figures()
            count += len(piece)
        return count

    assert asyncio.run(read()) > 100_000


def test_refusals_are_counted():
    """Somebody who tries tokens is seen."""
    app = create_app(SteadyScorer(), ExtenderSettings())

    ask(app, "GET", "/metrics", client=ELSEWHERE)

    said = ask(app, "GET", "/metrics").sent.decode()
    assert 'negawatt_extender_requests_total{code="401",verb="metrics"} 1.0' in said


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_what_the_code_says(page):
    """`python -m extender.reference docs/reference` makes it so."""
    written = (repository.ROOT / "docs/reference" / page).read_text(encoding="utf-8")

    assert written == PAGES[page]()


def test_the_page_names_every_series():
    """What /metrics says has a row, and no row is of a series that is not there."""
    page = (repository.ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(negawatt_\w+)`", page, re.MULTILINE))

    assert named == set(re.findall(r"^# TYPE (negawatt_\w+)", text(figures()), re.MULTILINE))
