"""Predictions of the past: which are asked for, and their pages as JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, Literal, TypeAlias

import orjson
from pydantic import BaseModel, ConfigDict, Field

from extender.prediction.service import PredictionService, prediction_id
from ledger.filters import PredictionFilter
from ledger.pages import PredictionPage
from ledger.prediction import Prediction
from ledger.store import Ledger

Format: TypeAlias = Literal["json", "csv", "html"]
#: A prediction of ten thousand servers is two megabytes, so pages are short.
LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
CSV_PAGE: Final = 10
#: Spreadsheets run a cell that begins so; a quote before it makes it text.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

CSV_COLUMNS: Final = (
    "prediction_id",
    "predicted_at_seconds",
    "model",
    "source",
    "task_load_percent",
    "best_server",
    "best_cost_watts",
    "server",
    "is_best",
    "cpu_cores",
    "memory_gigabytes",
    "energy_rate_watts_per_core",
    "used_ratio",
    "cost_watts",
    "reason",
)


class RecordedServer(BaseModel):
    """A server as it was when the task was priced on it."""

    model_config = ConfigDict(extra="forbid")

    server: str
    cpu_cores: float
    memory_gigabytes: float
    energy_rate_watts_per_core: float
    used_ratio: float
    cost_watts: float | None
    reason: str


class RecordedPrediction(BaseModel):
    """A prediction that the ledger keeps."""

    model_config = ConfigDict(extra="forbid")

    prediction_id: str
    predicted_at_seconds: float = Field(description="Unix time.")
    model: str
    source: Literal["given", "cluster"]
    task_load_percent: float
    best_server: str | None
    best_cost_watts: float | None
    reason: str
    servers: list[RecordedServer]


class HistoryPage(BaseModel):
    """Predictions, newest first; ``cursor`` asks for the next ones, null where there are none."""

    model_config = ConfigDict(extra="forbid")

    predictions: list[RecordedPrediction]
    cursor: str | None


def wanted_format(given: Format | None, accept: str) -> Format:
    """The format that was asked for by name, or else by the header `Accept`."""
    if given is not None:
        return given
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return "csv" if "text/csv" in kinds else "json"


async def page_of(
    service: PredictionService, chosen: PredictionFilter, limit: int, cursor: str | None
) -> PredictionPage:
    """One page, read on a thread.

    Raises:
        UnavailableError: no ledger is kept, or it does not serve now.
        InputError: the cursor is none.
    """
    # Cursors hold a plus, which is a blank in a query where nobody wrote it as %2B.
    place = None if cursor is None else cursor.replace(" ", "+")
    read = partial(_read, chosen=chosen, limit=limit, cursor=place)
    return await service.on_ledger_thread(read)


def _read(
    ledger: Ledger, *, chosen: PredictionFilter, limit: int, cursor: str | None
) -> PredictionPage:
    return ledger.predictions(chosen, limit=limit, cursor=cursor)


def page_json(page: PredictionPage) -> bytes:
    """A page as `HistoryPage`."""
    documents = b",".join(orjson.dumps(_document(each)) for each in page.predictions)
    return b'{"predictions":[%b],"cursor":%b}' % (documents, orjson.dumps(page.cursor))


async def csv_of(
    first: PredictionPage, following: Callable[[str], Awaitable[PredictionPage]]
) -> AsyncIterator[bytes]:
    """A page and all that follow it as CSV, a line for each server, in pieces."""
    yield _csv([CSV_COLUMNS])
    page = first
    while True:
        for each in page.predictions:
            yield _csv(_rows(each))
        if page.cursor is None:
            return
        page = await following(page.cursor)


def _document(prediction: Prediction) -> dict[str, Any]:
    return {
        "prediction_id": prediction_id(prediction.predicted_at_seconds),
        **prediction.document(),
    }


def _rows(prediction: Prediction) -> Iterator[list[object]]:
    head = [
        prediction_id(prediction.predicted_at_seconds),
        prediction.predicted_at_seconds,
        prediction.model,
        prediction.source,
        prediction.task_load_percent,
        prediction.best_server,
        prediction.best_cost_watts,
    ]
    for each in prediction.servers:
        yield [
            *head,
            each.server,
            int(each.server == prediction.best_server),
            each.cpu_cores,
            each.memory_gigabytes,
            each.energy_rate_watts_per_core,
            each.used_ratio,
            each.cost_watts,
            each.reason,
        ]


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula; numbers stay numbers."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
