"""The Grafana dashboard: whole, in order, and every query answered by a real Prometheus.

Grafana itself cannot be installed here. What it does to a query before it sends it, replacing
variables, is done here too; what it does with the answer is not tested.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from itertools import combinations, count
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import repository
from asgi_caller import ask
from scraped_prometheus import job, prometheus, targets, wait_until
from steady_scorer import BLOG, SHOP_WEB, SteadyScorer, figures

from extender.app import create_app
from extender.figures import Forgone
from extender.settings import ExtenderSettings

FILE = repository.ROOT / "deploy" / "grafana" / "placement.json"
DASHBOARD = json.loads(FILE.read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [
    pytest.param(target, id=f"{panel['title']} {target['refId']}")
    for panel in PANELS
    for target in panel["targets"]
]
METRIC = re.compile(r"\b(?:negawatt|process)_\w+")
COLUMNS = 24
SCRAPES = 8
REPLICAS = ("one", "two")
#: What Grafana puts in place of its variables, for a scrape a second.
SUBSTITUTES = {
    "$__rate_interval": "4s",
    "$__interval": "1s",
    "$__range": "6s",
    "$job": ".+",
    "$namespace": "(blog|shop)",
}
#: In Prometheus 2.42 and in 3: https://prometheus.io/docs/prometheus/latest/migration/.
KNOWN_FUNCTIONS = {"sum", "max", "rate", "increase", "histogram_quantile", "topk", "abs"}
KNOWN_WORDS = {"by", "and", "on", "group_left"}
UNITS = {"_watts": "watt", "_joules": "joule", "_seconds": "s", "_ratio": "percentunit"}


def substituted(text: str) -> str:
    """Return a query as Grafana sends it."""
    for name, value in SUBSTITUTES.items():
        text = text.replace(name, value)
    assert "$" not in text, f"a variable that nothing replaces: {text}"
    return text


def test_every_panel_has_a_number_of_its_own() -> None:
    """Grafana draws only one of two panels with the same id."""
    ids = [panel["id"] for panel in DASHBOARD["panels"]]

    assert len(set(ids)) == len(ids)


def test_no_panel_covers_another_or_leaves_the_grid() -> None:
    """Rectangles on 24 columns."""
    places = [(panel["title"], panel["gridPos"]) for panel in DASHBOARD["panels"]]

    assert [title for title, place in places if place["x"] + place["w"] > COLUMNS] == []
    overlapping = [
        (one, other)
        for (one, a), (other, b) in combinations(places, 2)
        if a["x"] < b["x"] + b["w"]
        and b["x"] < a["x"] + a["w"]
        and a["y"] < b["y"] + b["h"]
        and b["y"] < a["y"] + a["h"]
    ]
    assert overlapping == []


def test_whoever_imports_it_chooses_the_prometheus() -> None:
    """No panel names a data source of ours; the first variable does."""
    variables = DASHBOARD["templating"]["list"]
    chosen = {"type": "prometheus", "uid": "${datasource}"}

    assert (variables[0]["name"], variables[0]["type"]) == ("datasource", "datasource")
    assert variables[0]["query"] == "prometheus"
    assert [each["name"] for each in variables[1:] if each["datasource"] != chosen] == []
    for panel in PANELS:
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])


def test_every_panel_says_what_it_shows() -> None:
    """A title, a description, a unit that fits the metric; predicted watts say so."""
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        text = json.dumps(panel["targets"])
        if "forgone_" in text:
            assert "Predicted" in panel["description"], panel["title"]


@pytest.mark.parametrize(
    "panel", [p for p in PANELS if p["type"] != "table"], ids=lambda p: p["title"]
)
def test_a_unit_is_the_metrics_own(panel) -> None:
    """Seconds are not drawn as watts, nor a counter's total as if it were a rate."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        metric = METRIC.findall(target["expr"])[0].removesuffix("_bucket")
        if metric.endswith("_total") and "increase(" not in target["expr"]:
            assert "rate(" in target["expr"]
            assert unit in ({"short"} if "_seconds_" in metric else {"cps", "reqps"})
        for ending, expected in UNITS.items():
            if metric.endswith(ending):
                assert unit == expected


def test_every_metric_is_one_that_the_extender_documents() -> None:
    """A renamed metric is missed here, not by somebody at night."""
    page = (repository.ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`((?:negawatt|process)_\w+)`", page))
    used = {
        re.sub(r"_(bucket|sum|count)$", "", metric)
        for query in QUERIES
        for metric in METRIC.findall(query.values[0]["expr"])
    }

    assert used - documented == set()


def test_every_series_is_of_the_chosen_job() -> None:
    """Two clusters in one Prometheus stay apart."""
    for query in QUERIES:
        expression = query.values[0]["expr"]
        chosen = re.findall(METRIC.pattern + r'\{job=~"\$job"', expression)
        assert len(chosen) == len(METRIC.findall(expression)), expression


def test_only_what_prometheus_2_and_3_share_is_asked() -> None:
    """Functions and words, none of which changed its meaning."""
    for query in QUERIES:
        expression = re.sub(r"\{[^}]*\}", "", query.values[0]["expr"])
        called = set(re.findall(r"\b([a-z_]+) ?\(", expression))
        assert called <= KNOWN_FUNCTIONS | KNOWN_WORDS, expression


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a Prometheus that has scraped two replicas at work a few times.

    Both see the same binds; one is asked, and counts for the other too.
    """
    scorer, scrapes = SteadyScorer(), count(1)
    app = create_app(scorer, ExtenderSettings())
    body = json.dumps(
        {"Pod": {"metadata": {"name": "web-1"}}, "Nodes": None, "NodeNames": ["node-1", "node-2"]}
    ).encode()

    def page() -> str:
        number = next(scrapes)
        for verb in ("prioritize", "filter"):
            assert ask(app, "POST", f"/scheduler/{verb}", body).status == 200
        scorer.state = figures(
            decisions={("observe", "same"): 7 * number, ("observe", "other"): number},
            scores={10: 40 * number, 3: 2 * number},
            forgone={
                SHOP_WEB: Forgone(watts=12.5, joules=12.5 * number, decisions=number),
                BLOG: Forgone(watts=-3.0, joules=-3.0 * number, decisions=number),
            },
        )
        return shown()

    def shown() -> str:
        return ask(app, "GET", "/metrics").sent.decode()

    with targets() as served, targets() as second:
        served.pages["/metrics"] = page
        second.pages["/metrics"] = shown
        scraped = job("extender", served, "/metrics", instance="one")
        scraped["static_configs"] += job("", second, "/metrics", instance="two")["static_configs"]
        with prometheus(tmp_path_factory.mktemp("dashboard"), scraped) as url:
            enough = f"count_over_time(negawatt_extender_build_info[1m]) >= {SCRAPES}"
            wait_until(lambda: len(answer(url, "query", query=enough)["result"]) == len(REPLICAS))
            yield url


def answer(url: str, what: str, **parameters: str) -> dict:
    """Return the data of an answer of Prometheus; a query that it refuses raises."""
    with urlopen(f"{url}/api/v1/{what}?{urlencode(parameters)}") as reply:  # noqa: S310 - loopback
        return json.load(reply)["data"]


def values(url: str, target: dict) -> list[float]:
    """Return all values that a panel would draw for one of its queries."""
    query = substituted(target["expr"])
    if target["instant"]:
        found = answer(url, "query", query=query)["result"]
        return [float(series["value"][1]) for series in found]
    now = time.time()
    span = {"start": f"{now - 5}", "end": f"{now}", "step": "1"}
    found = answer(url, "query_range", query=query, **span)["result"]
    return [float(value) for series in found for _, value in series["values"]]


@pytest.mark.prometheus
@pytest.mark.parametrize("target", QUERIES)
def test_prometheus_answers_every_query(address, target) -> None:
    """Each panel of an extender at work shows something."""
    found = values(address, target)

    assert [value for value in found if math.isfinite(value)], substituted(target["expr"])


@pytest.mark.prometheus
def test_labels_of_legends_are_labels_of_answers(address) -> None:
    """A legend with a label that the query sums away would be empty."""
    for query in QUERIES:
        (target,) = query.values
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        for series in answer(address, "query", query=substituted(target["expr"]))["result"]:
            assert named <= series["metric"].keys(), target["expr"]


@pytest.mark.prometheus
@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Forgone now", [9.5]),
        ("Bound to the preferred node", [0.875]),
        ("Stale sources", [1.0]),
    ],
)
def test_figures_at_a_glance_are_right(address, title, expected) -> None:
    """12.5 W less 3 W; seven of eight; one of two sources never answered."""
    (panel,) = [each for each in PANELS if each["type"] == "stat" and each["title"] == title]

    assert values(address, panel["targets"][0]) == pytest.approx(expected)


@pytest.mark.prometheus
@pytest.mark.parametrize(
    "target",
    [
        pytest.param(target, id=f"{panel['title']} {target['refId']}")
        for panel in PANELS
        for target in panel["targets"]
        if re.search(r"_(decisions|records)_total", target["expr"])
        and panel["title"] != "Bound to the preferred node"
    ],
)
def test_what_every_replica_counts_is_counted_once(address, target) -> None:
    """Every replica sees every bind, so two of them say no more than the one that says more."""
    query = substituted(target["expr"])
    past = f"{time.time() - 2}"  # what was scraped since is in no answer

    def told(query: str) -> dict[str, float]:
        found = answer(address, "query", query=query, time=past)["result"]
        return {json.dumps(each["metric"]): float(each["value"][1]) for each in found}

    alone = [told(query.replace('job=~".+"', f'instance="{name}"')) for name in REPLICAS]
    both = told(query)
    assert both
    assert both == {series: max(each[series] for each in alone) for series in both}


@pytest.mark.prometheus
def test_variables_offer_what_there_is(address) -> None:
    """The job that was scraped, and the namespaces that something was forgone in."""
    offered = {}
    for variable in DASHBOARD["templating"]["list"][1:]:
        selector, label = re.fullmatch(
            r"label_values\((.+), (\w+)\)", variable["query"]["query"]
        ).groups()
        where = {"match[]": substituted(selector)}
        offered[variable["name"]] = answer(address, f"label/{label}/values", **where)

    assert offered == {"job": ["extender"], "namespace": ["blog", "shop"]}


def test_the_file_is_written_as_grafana_exports_it() -> None:
    """Two spaces, no id of one installation, so that a change shows as a small difference."""
    assert DASHBOARD["id"] is None
    text = json.dumps(DASHBOARD, indent=2, ensure_ascii=False) + "\n"
    assert Path(FILE).read_text(encoding="utf-8") == text
