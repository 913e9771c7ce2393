"""Predictions of the past: which are asked for, and their pages as JSON and CSV."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from extender.prediction import encoding
from extender.prediction.service import PredictionService
from ledger.filters import PredictionFilter
from ledger.pages import PredictionPage

T = TypeVar("T")
Format: TypeAlias = Literal["json", "csv", "html"]
#: A page as bytes, and the cursor of the next one.
Pieces: TypeAlias = tuple[list[bytes], str | None]
LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
#: A prediction of ten thousand servers is two megabytes, so pages end by servers, too.
PAGE_SERVERS_MAX: Final = 20_000


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
    service: PredictionService,
    chosen: PredictionFilter,
    limit: int,
    cursor: str | None,
    encoded: Callable[[PredictionPage], T],
) -> T:
    """One page, read and encoded on a thread.

    Raises:
        UnavailableError: no ledger is kept, or it does not serve now.
        InputError: the cursor is none.
    """
    # Cursors hold a plus, which is a blank in a query where nobody wrote it as %2B.
    place = None if cursor is None else cursor.replace(" ", "+")
    return await service.on_ledger_thread(
        lambda ledger: encoded(
            ledger.predictions(chosen, limit=limit, cursor=place, servers_max=PAGE_SERVERS_MAX)
        )
    )


def json_pieces(page: PredictionPage) -> Pieces:
    """A page as `HistoryPage`, and its cursor."""
    return list(encoding.page_json(page)), page.cursor


def csv_pieces(page: PredictionPage) -> Pieces:
    """A page as lines of CSV, and its cursor."""
    return list(encoding.page_csv(page)), page.cursor


async def csv_of(
    first: Pieces, following: Callable[[str], Awaitable[Pieces]]
) -> AsyncIterator[bytes]:
    """A page and all that follow it as CSV, a line for each server, in pieces."""
    yield encoding.csv_lines([encoding.CSV_COLUMNS])
    pieces, cursor = first
    while True:
        for each in pieces:
            yield each
        if cursor is None:
            return
        pieces, cursor = await following(cursor)
