"""Histories are encoded in small pieces, beside the event loop."""

from __future__ import annotations

import csv
import io
import json
import threading

import pytest
from asgi_caller import ask
from prediction_caller import FIGURE_2, document, recorded

from extender.prediction import encoding, history, pages
from ledger.pages import PredictionPage
from ledger.prediction import Prediction, ServerPrediction


def prediction(servers, at_seconds=1.5):
    """A prediction of so many servers."""
    return Prediction(
        predicted_at_seconds=at_seconds, model="regressor", source="given", task_load_percent=1,
        best_server="s-0", best_cost_watts=1, reason="it is",
        servers=tuple(
            ServerPrediction(
                server=f"s-{n}", cpu_cores=1, memory_gigabytes=1, energy_rate_watts_per_core=1,
                used_ratio=0, cost_watts=1, reason="",
            )
            for n in range(servers)
        ),
    )  # fmt: skip


@pytest.mark.parametrize("servers", [0, 1, encoding.SLICE, encoding.SLICE * 2 + 1])
def test_no_piece_holds_more_than_a_slice_of_servers(servers):
    """And together they are the page."""
    page = PredictionPage(
        predictions=(prediction(servers), prediction(1, at_seconds=1.0)), cursor="c"
    )
    as_json, as_csv = list(encoding.page_json(page)), list(encoding.page_csv(page))

    assert max(piece.count(b'"server":') for piece in as_json) <= encoding.SLICE
    assert max(piece.count(b"\r\n") for piece in as_csv) <= encoding.SLICE
    found = json.loads(b"".join(as_json))
    assert found["cursor"] == "c"
    for each, one in zip(page.predictions, found["predictions"], strict=True):
        assert one.pop("prediction_id")
        assert one == each.document()
    rows = list(csv.reader(io.StringIO(b"".join(as_csv).decode())))
    assert [row[7] for row in rows] == [*(f"s-{n}" for n in range(servers)), "s-0"]


@pytest.mark.parametrize(
    ("form", "module", "name"),
    [
        ("json", encoding, "page_json"),
        ("csv", encoding, "page_csv"),
        ("html", pages, "history_page"),
    ],
)
def test_nothing_is_encoded_on_the_event_loop(tmp_path, monkeypatch, form, module, name):
    """Where the scheduler's questions are answered."""
    real, threads = getattr(module, name), []

    def noting(page, **options):
        threads.append(threading.current_thread().name)
        done = real(page, **options)
        return done if isinstance(done, str) else list(done)

    monkeypatch.setattr(module, name, noting)
    with recorded(f"sqlite:///{tmp_path / 'ledger.sqlite'}", [document(FIGURE_2)]) as app:
        reply = ask(app, "GET", f"/predictions?format={form}")

    assert reply.status == 200
    assert [thread.partition("_")[0] for thread in threads] == ["predictions"]


def test_a_page_ends_by_servers_too_and_its_cursor_goes_on(tmp_path, monkeypatch):
    """None twice, none missing; one prediction of any size is a page."""
    monkeypatch.setattr(history, "PAGE_SERVERS_MAX", 7)
    many = {f"server-{n}": (4, 16, 8) for n in range(9)}
    requests = [document(FIGURE_2, task_load=load) for load in range(1, 6)]
    requests.insert(2, document(many, task_load=50))
    sizes, loads, cursor = [], [], ""
    with recorded(f"sqlite:///{tmp_path / 'ledger.sqlite'}", requests) as app:
        while cursor is not None:
            page = ask(app, "GET", "/predictions" + (f"?cursor={cursor}" if cursor else "")).json()
            sizes.append(len(page["predictions"]))
            loads += [each["task_load_percent"] for each in page["predictions"]]
            cursor = page["cursor"]
        text = ask(app, "GET", "/predictions?format=csv").sent.decode()

    assert sizes == [2, 1, 1, 2]
    assert loads == [5, 4, 3, 50, 2, 1]
    assert len(list(csv.DictReader(io.StringIO(text)))) == 5 * 3 + 9
