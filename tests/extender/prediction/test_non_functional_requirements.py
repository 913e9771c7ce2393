"""The seven non-functional requirements of the paper's Table 2, each by its number and name.

Speed is measured by bench/prediction_rate.py; here is what it rests on, and no clock.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser

import numpy as np
import pytest
from asgi_caller import ELSEWHERE, ask
from prediction_caller import (
    FIGURE_2,
    FORM,
    RESULT,
    document,
    form_fields,
    predict,
    recorded,
    send_form,
)

from energy.errors import UnavailableError
from extender.prediction.app import create_prediction_app
from extender.prediction.models import Costs
from extender.prediction.recording import Recording
from extender.prediction.registry import SHIPPED, Model, by_name
from extender.prediction.request import FOREST, SERVERS_MAX
from extender.prediction.service import WAITING_MAX, PredictionService
from extender.settings import ExtenderSettings
from ledger.store import Ledger
from ledger.writer import LedgerWriter

pytest.importorskip("onnxruntime", reason="the extra `regressor` is not installed")

TOKEN = "a-token-of-some-length"  # noqa: S105 - it opens nothing
ORIGIN = "https://tools.example:8443"
HOSTILE = "<script>alert('x')</script>\"'"


class CountingModel:
    """Prices every server at its cores; counts its calls and their threads."""

    name = FOREST

    def __init__(self):
        self.calls, self.threads = [], set()

    def costs(self, servers, task_cores):
        """As many watts as cores."""
        self.calls.append(len(servers))
        self.threads.add(threading.current_thread().name)
        return Costs(watts=servers.cpu_cores.copy(), clamped={})


def entry(model, name=FOREST, **fields):
    """An entry of the registry with a model."""
    return Model(name=name, load=lambda: model, label="a test", how="the task adds", **fields)


@pytest.fixture
def counting():
    """A model that counts."""
    return CountingModel()


@pytest.fixture
def app(counting) -> Iterator:
    """The service with the counting model in the forest's place."""
    service = PredictionService(models={**SHIPPED, FOREST: entry(counting)})
    yield create_prediction_app(service, ExtenderSettings())
    service.close()


def many(count):
    """So many servers, in five sizes."""
    return {f"server-{n}": (4 + n % 5, 16, 8) for n in range(count)}


def test_1_performance_asks_the_model_once_and_beside_the_event_loop(app, counting):
    """Non-functional 1, Performance: one call for all servers, on a thread of its own."""
    answer = predict(app, document(many(1000), model=FOREST)).json()

    assert len(answer["servers"]) == 1000
    assert counting.calls == [1000]
    assert counting.threads == {"predictor_0"}


def test_1_performance_lets_health_be_answered_meanwhile(app, counting):
    """Non-functional 1, Performance: a model that hangs holds up no other question."""
    begun, go_on = threading.Event(), threading.Event()

    def hang(servers, task_cores):
        begun.set()
        assert go_on.wait(60)
        return Costs(watts=servers.cpu_cores.copy(), clamped={})

    counting.costs = hang
    replies = []
    asking = threading.Thread(
        target=lambda: replies.append(predict(app, document(RESULT, model=FOREST)))
    )
    asking.start()
    assert begun.wait(60)

    assert ask(app, "GET", "/healthz").status == 200

    go_on.set()
    asking.join()
    assert replies[0].status == 200


def test_2_scalability_takes_ten_thousand_servers_and_prices_like_ones_once(monkeypatch):
    """Non-functional 2, Scalability: the graph sees each kind of server once."""
    from energy.regressor.artefact import Regressor

    seen = []
    real = Regressor.predict
    monkeypatch.setattr(
        Regressor, "predict", lambda self, facts: (seen.append(len(facts)), real(self, facts))[1]
    )
    service = PredictionService()
    app = create_prediction_app(service, ExtenderSettings())
    answer = predict(app, document(many(SERVERS_MAX))).json()
    service.close()

    assert len(answer["servers"]) == SERVERS_MAX
    assert {each["cost_watts"] is None for each in answer["servers"]} == {False}
    assert seen == [5]


def test_2_scalability_refuses_rather_than_queue_without_end(counting):
    """Non-functional 2, Scalability: more requests than may wait are told so at once."""
    service = PredictionService(models={FOREST: entry(counting)})
    go_on = threading.Event()

    async def crowd():
        waiting = [
            asyncio.create_task(service.on_model_thread(go_on.wait)) for _ in range(WAITING_MAX)
        ]
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError, match="wait already"):
            await service.on_model_thread(lambda: None)
        go_on.set()
        await asyncio.gather(*waiting)
        return await service.on_model_thread(lambda: "answered")

    assert asyncio.run(crowd()) == "answered"
    service.close()


def test_3_reliability_answers_while_the_database_is_locked(tmp_path, counting):
    """Non-functional 3, Reliability: each is answered, and then recorded or counted as dropped."""
    file = tmp_path / "ledger.sqlite"
    with Ledger.open(f"sqlite:///{file}", busy_seconds=0.05) as ledger:
        with LedgerWriter(ledger, capacity=2, gather_seconds=0.01, flush_seconds=60) as writer:
            service = PredictionService(
                offer=Recording(writer).offer, ledger=ledger, models={FOREST: entry(counting)}
            )
            app = create_prediction_app(service, ExtenderSettings(), writer)
            # Held by this very thread: an answer that waited for the database would never come.
            with closing(sqlite3.connect(file, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                answers = [predict(app, document(FIGURE_2, model=FOREST)) for _ in range(5)]
                said = ask(app, "GET", "/metrics").sent.decode()
                other.execute("ROLLBACK")
        kept = ask(app, "GET", "/predictions").json()["predictions"]
        service.close()

    assert [answer.status for answer in answers] == [200] * 5
    assert [answer.json()["recorded"] for answer in answers] == [True] * 2 + [False] * 3
    assert "\nnegawatt_extender_predictions_dropped_records_total 3.0\n" in said
    assert "\nnegawatt_extender_ledger_pending_records 2\n" in said
    assert [each["prediction_id"] for each in reversed(kept)] == [
        answer.json()["prediction_id"] for answer in answers[:2]
    ]


def test_3_reliability_answers_where_no_ledger_is_kept(app):
    """Non-functional 3, Reliability: what cannot be recorded is answered all the same."""
    answer = predict(app, document(FIGURE_2))
    history = ask(app, "GET", "/predictions")

    assert (answer.status, answer.json()["recorded"]) == (200, False)
    assert (history.status, "no ledger" in history.json()["error"]) == (503, True)


def test_3_reliability_goes_on_after_a_model_failed(app, counting):
    """Non-functional 3, Reliability: one line while it fails, the same answers after."""
    before = predict(app, document(RESULT, model=FOREST)).json()
    working = counting.costs

    def fail(servers, task_cores):
        raise UnavailableError("the model is away", mend="wait")

    counting.costs = fail
    failed = predict(app, document(RESULT, model=FOREST))
    counting.costs = working
    after = predict(app, document(RESULT, model=FOREST)).json()

    assert (failed.status, failed.json()) == (503, {"error": "the model is away; wait"})
    assert after["servers"] == before["servers"]


@pytest.mark.parametrize("model", ["regressor", "paper-random-forest"])
def test_3_reliability_gives_the_same_answer_every_time(model):
    """Non-functional 3, Reliability: alone, among others, and in any order."""
    service = PredictionService()
    app = create_prediction_app(service, ExtenderSettings())
    costs = [
        {each["id"]: each["cost_watts"] for each in predict(app, request).json()["servers"]}
        for request in (
            document(FIGURE_2, model=model),
            document(dict(reversed(FIGURE_2.items())), model=model),
            document({**many(50), **FIGURE_2}, model=model),
        )
    ]
    service.close()

    for name in FIGURE_2:
        assert costs[0][name] == pytest.approx(costs[1][name], rel=1e-9)
        assert costs[0][name] == pytest.approx(costs[2][name], rel=1e-9)


def test_4_maintainability_takes_another_model_in_one_place(tmp_path, counting):
    """Non-functional 4, Maintainability: a model is one entry, and all the rest follows from it."""
    models = {**SHIPPED, **by_name(entry(counting, "by-cores"))}
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        with LedgerWriter(ledger) as writer:
            service = PredictionService(offer=writer.offer, ledger=ledger, models=models)
            app = create_prediction_app(service, ExtenderSettings())
            answer = predict(app, document(FIGURE_2, model="by-cores")).json()
            sent = send_form(app, form_fields(FIGURE_2, model="by-cores")).sent.decode()
            unknown = predict(app, document(FIGURE_2, model="by-magic"))
        history = ask(app, "GET", "/predictions?model=by-cores").json()["predictions"]
        described = ask(app, "GET", "/openapi.json").json()["components"]["schemas"]
        service.close()

    assert (answer["model"], answer["best_server"]) == ("by-cores", "102")
    assert [each["cost_watts"] for each in answer["servers"]] == [10, 5, 8]
    assert answer["reason"].startswith("102 costs least: the task adds 5 W")
    assert '<option value="by-cores" selected>by-cores: a test</option>' in sent
    assert "Best server: 102" in sent
    assert unknown.status == 400
    assert (
        "model: should be one of regressor, paper-random-forest, by-cores"
        in (unknown.json()["error"])
    )
    assert len(history) == 2
    assert described["PredictRequest"]["properties"]["model"]["enum"][-1] == "by-cores"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:10380"}, 403),
        ({"host": "evil.example", "origin": "http://evil.example"}, 403),
        ({"host": "["}, 403),
    ],
)
def test_5_security_takes_a_form_from_our_own_page_alone(app, headers, status):
    """Non-functional 5, Security: no page elsewhere can send the form, nor a rebound name."""
    assert send_form(app, form_fields(FIGURE_2), **headers).status == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://127.0.0.1:10380", 400), ("http://127.0.0.1:1", 403), ("http://[", 403), ("", 403)],
)
def test_5_security_goes_by_the_origin_where_a_browser_says_no_more(app, origin, status):
    """Non-functional 5, Security: also of browsers without `Sec-Fetch-Site`."""
    headers = {name: value for name, value in FORM.items() if name != "sec-fetch-site"}
    reply = ask(app, "POST", "/predict/form", b"", headers={**headers, "origin": origin})

    assert reply.status == status  # an empty form is let in, and is wrong


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_5_security_takes_json_that_says_so_alone(app, kind):
    """Non-functional 5, Security: what a foreign page can send without asking is refused."""
    assert predict(app, document(FIGURE_2), **{"content-type": kind}).status == 415


def test_5_security_answers_pages_of_allowed_origins_alone(tmp_path):
    """Non-functional 5, Security: protection against cross-origin requests, off by default."""
    (tmp_path / "token").write_text(TOKEN)
    settings = ExtenderSettings(token_file=tmp_path / "token", allowed_origins=(ORIGIN,))
    service = PredictionService()
    app, closed = (create_prediction_app(service, s) for s in (settings, ExtenderSettings()))
    asking = {"origin": ORIGIN, "access-control-request-method": "POST"}
    allowed = "access-control-allow-origin"

    def preflight(of, origin=ORIGIN, path="/predict"):
        return ask(of, "OPTIONS", path, client=ELSEWHERE, headers={**asking, "origin": origin})

    assert (preflight(app).status, preflight(app).headers[allowed]) == (204, ORIGIN)
    for refused in (
        preflight(closed),
        preflight(app, origin=f"{ORIGIN}.evil.example"),
        preflight(app, origin="null"),
        preflight(app, path="/metrics"),
    ):
        assert refused.status == 401
        assert allowed not in refused.headers
    assert predict(app, document(FIGURE_2), origin=ORIGIN).headers[allowed] == ORIGIN
    assert allowed not in predict(app, document(FIGURE_2), origin="https://evil.example").headers
    service.close()


@pytest.mark.parametrize(
    "asked", ["POST /predict", "GET /predict", "GET /predictions", "POST /predict/form"]
)
def test_5_security_wants_a_token_off_loopback(app, asked):
    """Non-functional 5, Security: the same door as the rest of the extender."""
    assert ask(app, *asked.split(), client=ELSEWHERE).status == 401


def test_5_security_shows_hostile_names_as_text(app, tmp_path):
    """Non-functional 5, Security: basic cleaning of inputs, on every page, and no script runs."""
    sent = send_form(app, form_fields({HOSTILE: FIGURE_2["101"], "b": ("<b>", "&", "'")}))
    good = send_form(app, form_fields({HOSTILE: FIGURE_2["101"]}))
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with recorded(url, [document({HOSTILE: FIGURE_2["101"]})]) as kept:
        history = ask(kept, "GET", "/predictions?format=html")

    for page in (sent, good, history):
        text = page.sent.decode()
        assert "<script" not in text
        assert "&lt;script&gt;" in text
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy


def test_5_security_lets_no_cell_of_the_csv_run(tmp_path):
    """Non-functional 5, Security: a spreadsheet takes no name for a formula."""
    names = ("=1+1", "+1", "-1", "@SUM(A1)", "plain")
    with recorded(
        f"sqlite:///{tmp_path / 'ledger.sqlite'}",
        [document({name: (8, 16, 5 + place) for place, name in enumerate(names)})],
    ) as app:
        text = ask(app, "GET", "/predictions?format=csv").sent.decode()

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["server"] for row in rows] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "plain"]
    assert not [cell for row in rows for cell in row.values() if cell[:1] in tuple("=+-@")]


def test_5_security_bounds_what_is_read(counting):
    """Non-functional 5, Security: a body too large is not read to its end."""
    service = PredictionService(models={FOREST: entry(counting)})
    app = create_prediction_app(service, ExtenderSettings(body_limit_bytes=2048))

    assert predict(app, document(many(100))).status == 413
    assert counting.calls == []
    service.close()


def test_6_portability_keeps_the_history_on_every_database(ledger_url):
    """Non-functional 6, Portability: SQLite, MariaDB (the paper's MySQL) and PostgreSQL."""
    names = ("ä-server", "102")
    with recorded(ledger_url, [document(dict(zip(names, FIGURE_2.values(), strict=False)))]) as app:
        found = ask(app, "GET", "/predictions?best_server=102").json()
        text = ask(app, "GET", "/predictions?format=csv").sent.decode()

    [one] = found["predictions"]
    assert [each["server"] for each in one["servers"]] == list(names)
    assert [row["server"] for row in csv.DictReader(io.StringIO(text))] == list(names)
    assert np.isfinite(one["best_cost_watts"])


class Page(HTMLParser):
    """Collects a page's elements."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Keep the element."""
        self.elements.append((tag, dict(attrs)))

    def all(self, *tags):
        """Attributes of the elements with these names."""
        return [attributes for tag, attributes in self.elements if tag in tags]


def test_7_usability_needs_no_script_and_names_every_field(app):
    """Non-functional 7, Usability: every field has a label, the Enter key predicts."""
    page = Page(ask(app, "GET", "/predict").sent.decode())
    labelled = {label.get("for") for label in page.all("label")}
    buttons = page.all("button")

    assert page.all("script") == []
    assert [each for each in page.all("input", "select")
            if not (each.get("aria-label") or each.get("id") in labelled)] == []  # fmt: skip
    # Enter presses the first button of a form: it must not be that of a row.
    assert buttons[0].get("name") is None
    assert [link["href"] for link in page.all("a")] == ["/predict", "/predictions?format=html"]
    assert not re.search(r"https?://", ask(app, "GET", "/predict").sent.decode())


def test_7_usability_adds_and_removes_servers_and_keeps_what_was_typed(app):
    """Non-functional 7, Usability: rows by buttons, without losing a figure."""
    fields = form_fields({"a": (1, 2, 3), "b": (4, 5, 6)})

    added = Page(send_form(app, {**fields, "add": "1"}).sent.decode())
    removed = Page(send_form(app, {**fields, "remove": "0"}).sent.decode())

    values = {each["name"]: each["value"] for each in added.all("input")}
    assert values["servers-1-cpus"] == "4"
    assert values["servers-2-id"] == ""
    left = {each["name"]: each["value"] for each in removed.all("input")}
    assert left["servers-0-id"] == "b"
    assert "servers-1-id" not in left
    assert left["task_load"] == "15"


def test_7_usability_leaves_empty_rows_out(app):
    """Non-functional 7, Usability: nobody has to remove what was not filled in."""
    text = send_form(app, {**form_fields(RESULT), "servers-9-id": ""}).sent.decode()

    assert "Best server: 2" in text
