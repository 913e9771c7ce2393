"""The six functional requirements of the paper's Table 1, each by its number and name."""

from __future__ import annotations

import csv
import io

import pytest
from asgi_caller import ask
from prediction_caller import (
    FIGURE_2,
    RESULT,
    document,
    form_fields,
    predict,
    recorded,
    send_form,
    servers,
)

from extender.prediction.app import create_prediction_app
from extender.prediction.request import SERVERS_MAX
from extender.prediction.service import PredictionService
from extender.settings import ExtenderSettings
from ledger.store import Ledger

pytest.importorskip("onnxruntime", reason="the extra `regressor` is not installed")

MODELS = ("regressor", "paper-random-forest")


@pytest.fixture(scope="module")
def app():
    """The service without a ledger."""
    service = PredictionService()
    yield create_prediction_app(service, ExtenderSettings())
    service.close()


@pytest.fixture
def url(tmp_path):
    """A ledger of this test alone."""
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


def test_1_user_input_form_takes_metrics_and_shows_the_best_server(app):
    """Functional 1, User Input Form: CPU usage, memory, energy rate and task load on a web page."""
    page = ask(app, "GET", "/predict")
    for label in ("percent of one core", "CPU (cores)", "memory (gigabytes)",
                  "watts per core at full load", "CPU in use (percent"):  # fmt: skip
        assert label in page.sent.decode()

    sent = send_form(app, form_fields(FIGURE_2))

    assert (page.status, sent.status) == (200, 200)
    assert "Best server: 102" in sent.sent.decode()
    assert '<td>1</td><th scope="row">102 <strong>(best)</strong></th>' in sent.sent.decode()


def test_1_user_input_form_is_found_where_it_was_sent_to(app):
    """Functional 1, User Input Form: the address that a browser shows after a submit."""
    reply = ask(app, "GET", "/predict/form")

    assert (reply.status, reply.headers["location"]) == (303, "/predict")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("given", "order"), [(FIGURE_2, "102 103 101"), (RESULT, "2 1")])
def test_2_prediction_api_predicts_the_cost_of_each_server(app, model, given, order):
    """Functional 2, Prediction API: the paper's own examples come out in the paper's order."""
    answer = predict(app, document(given, model=model)).json()

    assert answer["model"] == model
    assert all(each["cost_watts"] > 0 for each in answer["servers"])
    assert [each["id"] for each in answer["servers"]] == list(given)
    by_rank = sorted(answer["servers"], key=lambda each: each["rank"])
    assert [each["id"] for each in by_rank] == order.split()
    assert all(each["clamped"] == ["energy_rate"] for each in answer["servers"])


def test_2_prediction_api_takes_numbers_as_the_paper_has_them_for_ids(app):
    """Functional 2, Prediction API: `101` is the server that `"101"` is."""
    asked = document(FIGURE_2)
    for each in asked["servers"]:
        each["id"] = int(each["id"])

    assert predict(app, asked).json()["best_server"] == "102"


@pytest.mark.parametrize(("given", "best"), [(FIGURE_2, "103"), (RESULT, "1")])
def test_2_prediction_api_reads_energy_rate_as_watts_per_core(app, given, best):
    """Functional 2, Prediction API: the whole server's watts would give another order."""
    whole = {name: (cpus, memory, rate / cpus) for name, (cpus, memory, rate) in given.items()}

    answer = predict(app, document(whole, model="paper-random-forest")).json()

    assert answer["best_server"] == best


def test_3_best_server_selection_takes_the_least_cost_among_those_that_fit(app):
    """Functional 3, Best Server Selection: the lowest cost, with the sentence that says why."""
    given = servers(FIGURE_2)
    given[1]["cpu_usage"] = 98  # a tenth of a core is free

    answer = predict(app, {"task_load": 15, "servers": given}).json()

    costs = {each["id"]: each["cost_watts"] for each in answer["servers"]}
    assert answer["best_server"] == "103"
    assert answer["best_cost_watts"] == costs["103"] == min(costs["101"], costs["103"])
    assert costs["102"] is None
    assert "0.1 are free" in answer["servers"][1]["reason"]
    assert answer["reason"].startswith("103 costs least")
    assert "less than on the next, 101" in answer["reason"]


def test_3_best_server_selection_says_that_no_server_fits(app):
    """Functional 3, Best Server Selection: no best server is an answer, with its reason."""
    reply = predict(app, document(FIGURE_2, task_load=2000))

    assert reply.status == 200
    answer = reply.json()
    assert (answer["best_server"], answer["best_cost_watts"]) == (None, None)
    assert "20 cores" in answer["reason"]


def test_4_data_logging_keeps_inputs_and_results(url):
    """Functional 4, Data Logging: everything that was given and answered is in the ledger."""
    given = servers(RESULT)
    given[0]["cpu_usage"] = 25

    with recorded(url, [{"task_load": 15, "servers": given}]), Ledger.open(url) as ledger:
        [kept] = ledger.predictions().predictions

    assert (kept.model, kept.source, kept.task_load_percent) == ("regressor", "given", 15.0)
    assert [each.server for each in kept.servers] == ["1", "2"]
    first = kept.servers[0]
    assert (first.cpu_cores, first.memory_gigabytes) == (12.0, 25.0)
    assert (first.energy_rate_watts_per_core, first.used_ratio) == (2.1, 0.25)
    assert kept.best_cost_watts == min(each.cost_watts for each in kept.servers)
    assert kept.best_server in kept.reason


def test_5_prediction_history_retrieval_pages_and_filters(url):
    """Functional 5, Prediction History Retrieval: each prediction once, newest first, filtered."""
    requests = [document(FIGURE_2, task_load=load) for load in range(1, 6)]
    requests.append(document(RESULT, model="paper-random-forest"))
    with recorded(url, requests) as app:
        loads, cursor, target = [], "", "/predictions?limit=2"
        while cursor is not None:
            page = ask(app, "GET", target + (f"&cursor={cursor}" if cursor else "")).json()
            loads += [each["task_load_percent"] for each in page["predictions"]]
            cursor = page["cursor"]
        forest = ask(app, "GET", "/predictions?model=paper-random-forest&source=given").json()
        best = ask(app, "GET", "/predictions?best_server=102").json()
        since = forest["predictions"][0]["predicted_at_seconds"]
        before = ask(app, "GET", f"/predictions?until_seconds={since!r}").json()
        after = ask(app, "GET", f"/predictions?since_seconds={since!r}").json()

    assert loads == [15, 5, 4, 3, 2, 1]
    assert [each["best_server"] for each in forest["predictions"]] == ["2"]
    assert len(best["predictions"]) == len(before["predictions"]) == 5
    assert after == forest


def test_5_prediction_history_retrieval_as_csv_has_every_server(url):
    """Functional 5, Prediction History Retrieval: all pages as one table, for review."""
    requests = [document(FIGURE_2, task_load=load) for load in range(1, 15)]
    with recorded(url, requests) as app:
        by_name = ask(app, "GET", "/predictions?format=csv")
        by_header = ask(app, "GET", "/predictions", headers={"accept": "text/csv, */*;q=0.1"})

    rows = list(csv.DictReader(io.StringIO(by_name.sent.decode())))
    assert by_name.headers["content-type"].startswith("text/csv")
    assert by_header.sent == by_name.sent
    assert len(rows) == 14 * 3
    assert {row["server"] for row in rows if row["is_best"] == "1"} == {"102"}
    assert len({row["prediction_id"] for row in rows}) == 14


ONE = {"id": "a", "cpus": 4, "memory": 8, "energy_rate": 5}


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        ([], "the body is no object"),
        ({}, "task_load: is missing"),
        ({"task_load": 0, "servers": [ONE]}, "task_load: should be greater than or equal to 0.001"),
        ({"task_load": "15", "servers": [ONE]}, "task_load: should be a number"),
        ({"task_load": 15, "servers": []}, "servers: give at least one server"),
        ({"task_load": 15, "servers": "clusters"}, "the word cluster"),
        ({"task_load": 15, "servers": [ONE, ONE]}, "servers.1.id: another server has the same id"),
        ({"task_load": 15, "servers": [{"id": "a"}]}, "servers.0.cpus: is missing"),
        (
            {"task_load": 15, "servers": [{**ONE, "id": "a" * 254}]},
            "servers.0.id: should have 253 characters at most",
        ),
        ({"task_load": 15, "servers": [{**ONE, "id": ""}]}, "servers.0.id: should not be empty"),
        (
            {"task_load": 15, "servers": [3]},
            "servers.0: should be an object that describes a server",
        ),
        ({"task_load": 15, "servers": [{**ONE, "cpus": -1}]}, "servers.0.cpus: should be greater"),
        ({"task_load": 15, "servers": [{**ONE, "cpu_usage": 101}]}, "servers.0.cpu_usage"),
        ({"task_load": 15, "servers": [{**ONE, "idle_watts": 20}]}, "cpus x energy_rate = 20"),
        ({"task_load": 15, "servers": [{**ONE, "id": "a\u0000b"}]}, "no control characters"),
        ({"task_load": 15, "servers": [ONE], "model": "decision-tree"}, "model:"),
        ({"task_load": 15, "servers": [ONE], "user": "x"}, "user: is no field of a request"),
        ({"task_load": 15, "servers": [ONE] * (SERVERS_MAX + 1)}, "give 10000 at most"),
    ],
)
def test_6_error_handling_and_validations_name_what_is_wrong(app, request_, line):
    """Functional 6, Error Handling and Validations: 400 and one line that says where and what."""
    reply = predict(app, request_)

    assert reply.status == 400
    assert line in reply.json()["error"]
    assert "\n" not in reply.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"task_load": NaN}', b"\xff"])
def test_6_error_handling_and_validations_refuse_what_is_no_json(app, body):
    """Functional 6, Error Handling and Validations: bytes that are no request."""
    reply = ask(app, "POST", "/predict", body, headers={"content-type": "application/json"})

    assert reply.status == 400
    assert "no JSON" in reply.json()["error"]


def test_6_error_handling_and_validations_stand_beside_the_fields(app):
    """Functional 6, Error Handling and Validations: on the page too, with what was typed."""
    reply = send_form(app, form_fields({"a": (4, "eight", 5), "b": ("", 8, 5)}, task_load="-1"))

    page = reply.sent.decode()
    assert reply.status == 400
    assert 'value="eight" aria-invalid="true" aria-describedby="servers-0-memory-error"' in page
    assert 'id="servers-1-cpus-error">is missing' in page
    assert 'id="task_load-error">should be greater than or equal to 0.001' in page
    assert "Best server" not in page


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "cursor=x", "source=elsewhere", "format=xml", "modell=x"]
)
def test_6_error_handling_and_validations_of_history(url, query):
    """Functional 6, Error Handling and Validations: a parameter that cannot be."""
    with recorded(url, []) as app:
        reply = ask(app, "GET", f"/predictions?{query}")

    assert reply.status == 400
    assert "\n" not in reply.json()["error"]
