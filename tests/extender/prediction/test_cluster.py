"""`servers: "cluster"`: the extender's own nodes, their present load and their profiles."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from asgi_caller import ask
from core_scenes import CATALOGUE, GIBIBYTE, server, task
from prediction_caller import predict, send_form
from steady_scorer import SteadyScorer

from cluster.model import Taint
from extender.__main__ import nodes_of
from extender.app import create_app
from extender.core import Core
from extender.loads import MeasuredLoad
from extender.options import CoreOptions
from extender.prediction import pages
from extender.prediction.form import SHOWN_MAX
from extender.prediction.routes import add_prediction
from extender.prediction.service import PredictionService
from extender.settings import ExtenderSettings
from ledger.prediction import Prediction

TASK = {"task_load": 100, "servers": "cluster"}
NODES = (
    server("good-1", "good"),
    server("good-busy", "good"),
    server("good-full", "good"),
    server("good-tainted", "good", taints=(Taint(key="k", value="", effect="NoSchedule"),)),
    server("worst-1", "worst"),
)


@pytest.fixture
def core():
    """A core that has seen nothing yet."""
    return Core(CoreOptions(usage_ratio=0.5), now=lambda: 1000.0, catalogue=CATALOGUE)


@pytest.fixture
def records() -> list[Prediction]:
    """What the ledger was offered."""
    return []


@pytest.fixture
def said() -> list[str]:
    """What the service says of a silent API server, last."""
    return [""]


@pytest.fixture
def app(core, records, said):
    """The extender's application with predictions over that core."""
    service = PredictionService(
        offer=lambda record: records.append(record) is None,
        cluster=partial(nodes_of, core, core.readiness, lambda: said[-1]),
    )
    add = partial(add_prediction, service=service, settings=ExtenderSettings())
    yield create_app(SteadyScorer(), ExtenderSettings(), add=add)
    service.close()


def fill(core):
    """Five nodes; one is full of requests, one is measured to be busy."""
    for node in NODES:
        core.node_changed(None, node)
    pod = task("big", cpu=7500, memory=GIBIBYTE, node_name="good-full")
    core.pod_changed("shop/big", pod)
    core.went_live()
    load = MeasuredLoad(cpu_cores=4.0, source="prometheus", measured_at_seconds=1000.0)
    core.readings({"good-busy": load}, None, {})


def test_a_cluster_that_is_not_known_is_no_answer(app):
    """503 and the line that `/readyz` says, too."""
    reply = predict(app, TASK)

    assert reply.status == 503
    assert "nodes and pods have not been listed yet" in reply.json()["error"]


def test_a_cluster_of_long_ago_is_no_answer(app, core, records, said):
    """A node that had room then may have none now, or be gone."""
    fill(core)
    said.append("the API server has said nothing of the cluster for 200 s")

    reply = predict(app, TASK)

    assert (reply.status, reply.json()) == (503, {"error": said[-1]})
    assert records == []


def test_nodes_are_priced_by_their_profiles_at_their_load(app, core, records):
    """A core more on a straight line of 60 W over 8 cores is 7.5 W at any load."""
    fill(core)

    answer = predict(app, TASK).json()

    found = {each["id"]: each for each in answer["servers"]}
    assert (answer["model"], answer["source"]) == ("power-profiles", "cluster")
    assert answer["best_server"] == "good-1"
    assert found["good-1"]["cost_watts"] == pytest.approx(7.5)
    assert found["worst-1"]["cost_watts"] == pytest.approx(75.0)
    assert "0.5 are free" in found["good-full"]["reason"]
    assert "tainted" in found["good-tainted"]["reason"]
    assert [each for each, one in found.items() if one["cost_watts"] is None] == [
        "good-full", "good-tainted",
    ]  # fmt: skip
    assert found["good-busy"]["reason"].endswith("at 50 % load")
    assert records[0].source == "cluster"
    assert {each.server: each.used_ratio for each in records[0].servers}["good-busy"] == 0.5
    # As the training table counts memory, so 32 GiB of a node are 32.
    assert records[0].servers[0].memory_gigabytes == 32
    assert records[0].servers[0].energy_rate_watts_per_core == pytest.approx(100 / 8)


def test_the_paper_s_forest_answers_for_live_nodes_too(app, core):
    """Live metrics instead of manual input: the paper's first wish."""
    pytest.importorskip("onnxruntime", reason="the extra `regressor` is not installed")
    fill(core)

    answer = predict(app, {**TASK, "model": "paper-random-forest"}).json()

    costs = {each["id"]: each["cost_watts"] for each in answer["servers"]}
    assert answer["model"] == "paper-random-forest"
    assert costs["good-1"] < costs["good-busy"] < costs["worst-1"]


def test_the_form_offers_the_cluster_where_there_is_one(app, core):
    """And shows its best node; before it is known, why there is none."""
    fields = {"task_load": "100", "model": "regressor", "source": "cluster"}

    early = send_form(app, fields)
    fill(core)
    shown = send_form(app, fields)

    assert "the cluster's nodes" in ask(app, "GET", "/predict").sent.decode().replace("&#39;", "'")
    assert (early.status, "not been listed yet" in early.sent.decode()) == (503, True)
    assert (shown.status, "Best server: good-1" in shown.sent.decode()) == (200, True)


def test_the_form_shows_the_first_nodes_of_a_large_cluster_and_renders_off_the_loop(
    app, core, monkeypatch
):
    """Thousands of rows would hold up pods, and nobody reads them; JSON has them all."""
    real, threads = pages.form_page, []

    def noting(*shown, **options):
        threads.append(threading.current_thread().name)
        return real(*shown, **options)

    monkeypatch.setattr(pages, "form_page", noting)
    for number in range(SHOWN_MAX + 23):
        core.node_changed(None, server(f"node-{number}", "good"))
    core.went_live()

    text = send_form(
        app, {"task_load": "100", "model": "regressor", "source": "cluster"}
    ).sent.decode()
    ask(app, "GET", "/predict")

    assert text.count('<th scope="row">') == SHOWN_MAX
    assert "23 more servers are not shown" in text
    assert len(predict(app, TASK).json()["servers"]) == SHOWN_MAX + 23
    assert threads == ["pages_0", "pages_0"]


def test_a_task_that_no_node_takes_has_no_best_node(app, core):
    """200 with the reason."""
    fill(core)

    answer = predict(app, {**TASK, "task_load": 900}).json()

    assert answer["best_server"] is None
    assert "9 cores" in answer["reason"]
