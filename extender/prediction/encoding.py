"""Predictions as bytes, in pieces: whoever makes one holds Python's lock for so long.

All of it is for threads beside the event loop, which scores pods meanwhile; a piece has so few
servers that the loop gets its turn between two of them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import orjson

from extender.prediction.answer import Answer
from extender.prediction.service import prediction_id
from ledger.pages import PredictionPage
from ledger.prediction import Prediction, ServerPrediction
from ledger.spreadsheet import cell

T = TypeVar("T")
#: Servers in one piece; some 100 kB.
SLICE: Final = 500

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


def answer_json(answer: Answer) -> Iterator[bytes]:
    """An answer as JSON."""
    head = answer.model_dump(exclude={"servers"})
    return _with_servers(head, (orjson.dumps(part) for part in _slices(answer.servers)))


def page_json(page: PredictionPage) -> Iterator[bytes]:
    """A page as `history.HistoryPage`."""
    yield b'{"predictions":['
    for place, each in enumerate(page.predictions):
        if place:
            yield b","
        yield from _prediction_json(each)
    yield b'],"cursor":%b}' % orjson.dumps(page.cursor)


def page_csv(page: PredictionPage) -> Iterator[bytes]:
    """A line for each server of a page, without the head."""
    for each in page.predictions:
        for part in _slices(each.servers):
            yield csv_lines(_rows(each, part))


def csv_lines(rows: Iterable[Iterable[object]]) -> bytes:
    """Rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _prediction_json(prediction: Prediction) -> Iterator[bytes]:
    head = replace(prediction, servers=()).document()
    del head["servers"]
    named = {"prediction_id": prediction_id(prediction.predicted_at_seconds), **head}
    parts = _slices(prediction.servers)
    return _with_servers(
        named, (orjson.dumps([server.document() for server in part]) for part in parts)
    )


def _with_servers(head: dict[str, Any], lists: Iterable[bytes]) -> Iterator[bytes]:
    """An object with its servers last, from lists of some of them each."""
    yield orjson.dumps(head)[:-1] + b',"servers":['
    for place, each in enumerate(lists):
        yield (b"," if place else b"") + each[1:-1]
    yield b"]}"


def _slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + SLICE] for start in range(0, len(items), SLICE))


def _rows(prediction: Prediction, servers: Iterable[ServerPrediction]) -> Iterator[list[object]]:
    head = [
        prediction_id(prediction.predicted_at_seconds),
        prediction.predicted_at_seconds,
        prediction.model,
        prediction.source,
        prediction.task_load_percent,
        prediction.best_server,
        prediction.best_cost_watts,
    ]
    for each in servers:
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
