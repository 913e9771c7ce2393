"""The OpenAPI document says what the application does: schemathesis asks, off loopback."""

from __future__ import annotations

import atexit
import os
import re
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import repository
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import negative_data_rejection, positive_data_acceptance
from steady_scorer import SteadyScorer

from extender.app import create_app
from extender.prediction.cluster import ClusterServers
from extender.prediction.routes import add_prediction
from extender.prediction.servers import Servers
from extender.prediction.service import PredictionService
from extender.settings import ExtenderSettings
from ledger.store import Ledger
from telemetry.serving.access import TOKEN_BYTES_MIN
from telemetry.serving.server import KEEP_ALIVE_SECONDS

TOKEN = "a-token-of-some-length"  # noqa: S105 - it opens nothing
EXAMPLES = 60 if os.environ.get("HYPOTHESIS_PROFILE") in {"ci", "night"} else 20
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def one_node(_task_cores):
    """A cluster."""
    column = np.ones(1)
    return ClusterServers(
        names=("node-1",), added_watts=column, free_cores=column,
        fits=column > 0, takes=column > 0,
        servers=Servers(
            cpu_cores=column, memory_gigabytes=column, energy_rate_watts_per_core=column,
            idle_watts=column / 2, used_ratio=column / 2,
        ),
    )  # fmt: skip


def loaded():
    """The document, as a caller with a token gets it. Its tests are made before any fixture."""
    handle, name = tempfile.mkstemp(prefix="negawatt-test-token-")
    atexit.register(Path(name).unlink)
    with os.fdopen(handle, "w") as file:
        file.write(TOKEN)
    told = ExtenderSettings(token_file=Path(name))
    folder = tempfile.TemporaryDirectory(prefix="negawatt-test-ledger-")
    atexit.register(folder.cleanup)
    ledger = Ledger.open(f"sqlite:///{folder.name}/ledger.sqlite")
    atexit.register(ledger.close)
    service = PredictionService(ledger=ledger, cluster=one_node)
    atexit.register(service.close)
    add = partial(add_prediction, service=service, settings=told)
    app = create_app(SteadyScorer(), told, add=add)
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers=HEADERS)


schema = loaded()


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_document_holds(case):
    """Status codes, content types and bodies are those that it names; a bad body is refused."""
    # A query that a path does not know is ignored, as everywhere on the web.
    lenient = [negative_data_rejection] if case.method == "GET" else []
    if case.path in {"/predict", "/predictions"}:
        # Ids that repeat, idle above peak watts, a cursor of no page: no schema can say that.
        lenient.append(positive_data_acceptance)
    case.call_and_validate(headers=HEADERS, excluded_checks=lenient)


def test_the_document_names_every_path():
    """Those that the scheduler asks too, which FastAPI does not know of."""
    operations = [one.ok() for one in schema.get_all_operations()]

    assert {f"{one.method.upper()} {one.path}" for one in operations} == {
        "POST /scheduler/prioritize",
        "POST /scheduler/filter",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /explain/{namespace}/{pod}",
        "GET /savings",
        "GET /predict",
        "POST /predict",
        "GET /predictions",
    }


def test_the_page_tells_people_the_same():
    """Its table has every path, and its figures are the code's."""
    page = (repository.ROOT / "docs/reference/extender-http.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `(GET|POST) ([^?`]+)", page, re.MULTILINE))
    operations = [one.ok() for one in schema.get_all_operations()]

    assert told == {(one.method.upper(), one.path) for one in operations}
    assert f"({TOKEN_BYTES_MIN} bytes or more" in page
    assert f"Kept alive for {KEEP_ALIVE_SECONDS} s" in page
    assert {int(code) for code in re.findall(r"^\| (\d{3}) \|", page, re.MULTILINE)} == {
        200, 400, 401, 413,
    }  # fmt: skip
