"""Asks the service of predictions as programs and browsers do, over its real application."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from asgi_caller import Reply, ask

from extender.app import ExtenderApp
from extender.prediction.app import create_prediction_app
from extender.prediction.recording import Recording
from extender.prediction.service import PredictionService
from extender.settings import ExtenderSettings
from ledger.store import Ledger
from ledger.writer import LedgerWriter

JSON = {"content-type": "application/json", "host": "127.0.0.1:10380"}
FORM = {
    "content-type": "application/x-www-form-urlencoded",
    "host": "127.0.0.1:10380",
    "origin": "http://127.0.0.1:10380",
    "sec-fetch-site": "same-origin",
}
#: The examples of the paper: its figure 2, and its section "Result and Analysis".
FIGURE_2 = {"101": (10, 25, 2.1), "102": (5, 15, 0.8), "103": (8, 20, 1.2)}
RESULT = {"1": (12, 25, 2.1), "2": (6, 15, 1.2)}


def servers(given: dict[str, tuple[float, float, float]]) -> list[dict[str, Any]]:
    """Servers of a request from (cpus, memory, energy_rate) by id."""
    return [
        {"id": name, "cpus": cpus, "memory": memory, "energy_rate": rate}
        for name, (cpus, memory, rate) in given.items()
    ]


def document(given: dict[str, tuple[float, float, float]], **fields: Any) -> dict[str, Any]:
    """A request for a task of 15 % of a core."""
    return {"task_load": 15, "servers": servers(given), **fields}


def predict(app: ExtenderApp, request: Any, **headers: str) -> Reply:
    """`POST /predict`."""
    return ask(app, "POST", "/predict", json.dumps(request).encode(), headers={**JSON, **headers})


def send_form(app: ExtenderApp, fields: dict[str, str], **headers: str) -> Reply:
    """What a browser sends from our page."""
    return ask(
        app, "POST", "/predict/form", urlencode(fields).encode(), headers={**FORM, **headers}
    )


def form_fields(given: dict[str, tuple[object, object, object]], **fields: str) -> dict[str, str]:
    """The form's fields with servers in its first rows."""
    typed = {"task_load": "15", "model": "regressor", **fields}
    for row, (name, columns) in enumerate(given.items()):
        typed[f"servers-{row}-id"] = name
        for column, value in zip(("cpus", "memory", "energy_rate"), columns, strict=True):
            typed[f"servers-{row}-{column}"] = str(value)
    return typed


@contextmanager
def recorded(url: str, requests: list[Any]) -> Iterator[ExtenderApp]:
    """An application over a ledger that holds the predictions of these requests."""
    with Ledger.open(url) as ledger:
        with LedgerWriter(ledger) as writer:
            service = PredictionService(offer=Recording(writer).offer, ledger=ledger)
            app = create_prediction_app(service, ExtenderSettings())
            for request in requests:
                assert predict(app, request).json()["recorded"] is True
        try:
            yield app
        finally:
            service.close()
