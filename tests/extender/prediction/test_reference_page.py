"""The page of the prediction API says what the code does, and names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import repository
from fastapi.routing import APIRoute

from extender.prediction import history, service
from extender.prediction.answer import Answer, AnsweredServer
from extender.prediction.app import create_prediction_app
from extender.prediction.form import ROWS_MAX, SHOWN_MAX
from extender.prediction.request import SERVERS_MAX, GivenServer, PredictRequest
from extender.settings import ExtenderSettings

PAGE = (repository.ROOT / "docs/reference/prediction-api.md").read_text(encoding="utf-8")


def test_every_field_is_explained():
    """Of the request with its unit, of the answer; and nothing that is not there."""
    for name in GivenServer.model_fields:
        assert f"| `servers[].{name}` |" in PAGE
    for name in PredictRequest.model_fields:
        assert f"| `{name}` |" in PAGE
    for name in Answer.model_fields:
        assert f"`{name}`" in PAGE
    for name in AnsweredServer.__annotations__:
        assert re.search(rf"(servers\[\]\.|`){name}`", PAGE), name


def test_every_filter_is_explained():
    """Of the history."""
    app = create_prediction_app(service.PredictionService(), ExtenderSettings())
    [route] = [
        each for each in app.routes if isinstance(each, APIRoute) and each.path == "/predictions"
    ]

    for name in {each.alias for each in route.dependant.query_params}:
        assert f"`{name}" in PAGE, name
    assert f"(1 to {history.LIMIT_MAX}, default {history.LIMIT_DEFAULT})" in PAGE


def test_its_limits_are_the_code_s():
    """Figures of the text."""
    assert f"1 to {SERVERS_MAX:,} servers" in PAGE
    assert f"{service.WAITING_MAX} requests wait" in PAGE
    assert f"the first {SHOWN_MAX} servers" in PAGE
    assert f"up to {ROWS_MAX} servers" in PAGE
    assert f"before {history.PAGE_SERVERS_MAX:,} servers" in PAGE


def test_every_requirement_has_tests_that_name_it():
    """The thirteen rows of the table, each with tests whose docstrings say the same."""
    rows = re.findall(
        r"^\| ([1-7]) ([A-Z][A-Za-z ]+) \| `(test_[a-z0-9_]+)` \|", PAGE, re.MULTILINE
    )
    folder = Path(__file__).parent
    tests = "".join(
        (folder / f"test_{kind}_requirements.py").read_text(encoding="utf-8")
        for kind in ("functional", "non_functional")
    )

    assert len(rows) == 13
    for place, (number, name, start) in enumerate(rows):
        kind = "Functional" if place < 6 else "Non-functional"
        docstrings = re.findall(
            rf'^def {start}\w*\(.*?\):\n    """(.*?)"""', tests, re.MULTILINE | re.DOTALL
        )
        assert docstrings, start
        assert all(each.startswith(f"{kind} {number}, {name}: ") for each in docstrings), start
