"""`POST /predict`, `GET /predictions` and their pages, on an application of the extender's kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Collection, Iterable
from functools import partial
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from extender.app import NOT_ALLOWED, ExtenderApp
from extender.prediction import encoding, history, pages
from extender.prediction.answer import Answer
from extender.prediction.guard import FORBIDDEN, PAGE_HEADERS, Guard
from extender.prediction.history import HistoryPage
from extender.prediction.page_routes import add_pages
from extender.prediction.replies import (
    JSON,
    UNAVAILABLE,
    WRONG_KIND,
    kind_of,
    or_problem,
    problem,
    problems,
)
from extender.prediction.request import ID_LENGTH_MAX, PredictRequest, read_json
from extender.prediction.service import PredictionService
from extender.settings import ExtenderSettings
from extender.verbs import BAD_REQUEST, TOO_LARGE, read_body
from ledger.filters import PredictionFilter
from ledger.prediction import PredictionSource
from telemetry.serving.replies import error_body

MEBIBYTE: Final = 1024 * 1024
#: Ten thousand servers with long names are some two of them.
BODY_LIMIT_BYTES: Final = 4 * MEBIBYTE
OTHERS: Final = ["DELETE", "HEAD", "OPTIONS", "PATCH", "PUT", "TRACE"]
FILTERS: Final = frozenset(
    {
        "since_seconds",
        "until_seconds",
        "model",
        "best_server",
        "source",
        "limit",
        "cursor",
        "format",
    }
)
_REF: Final = "#/components/schemas/{model}"

Seconds = Annotated[float | None, Query(allow_inf_nan=False, description="Unix time.")]


def add_prediction(
    app: ExtenderApp, service: PredictionService, settings: ExtenderSettings
) -> None:
    """Add the service's paths, and what keeps foreign pages from them."""
    service.missed = app.metrics.predictions_dropped.inc
    app.add_middleware(Guard, settings=settings)
    app.is_preflight = Guard(app, settings).is_preflight
    app.schemas = _schemas(service.models)
    limit_bytes = min(settings.body_limit_bytes, BODY_LIMIT_BYTES)
    _add_predict(app, service, limit_bytes)
    add_pages(app, service, limit_bytes)
    app.add_api_route("/predict", _not_allowed, methods=OTHERS, include_in_schema=False)
    _add_history(app, service)


async def _not_allowed() -> Response:
    # Two routes share the path, and the router's own answer knows of one of them only.
    return Response(
        error_body("Method Not Allowed"), NOT_ALLOWED, {"Allow": "GET, POST"}, media_type=JSON
    )


def _add_predict(app: FastAPI, service: PredictionService, limit_bytes: int) -> None:
    schema = {"$ref": _REF.format(model=PredictRequest.__name__)}

    @app.post(
        "/predict",
        response_model=Answer,
        tags=["predictions"],
        responses=problems(
            {
                BAD_REQUEST: "Not such a request.",
                FORBIDDEN: "Asked by a name that is not ours.",
                TOO_LARGE: "More than 4 MiB, or `body_limit_bytes`.",
                WRONG_KIND: "The content type is not application/json.",
                UNAVAILABLE: "No cluster or no model, or too many wait.",
            }
        ),
        openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": schema}}}},
    )
    async def predict(request: Request) -> Response:
        """Watts of a task on each of several servers, and which server is best."""
        if kind_of(request) != JSON:
            return problem(WRONG_KIND, f"the content type must be {JSON}")

        async def answered() -> Response:
            body = await read_body(request.receive, limit_bytes)
            asked = await service.on_model_thread(partial(read_json, body, service.models))
            cluster = service.of_cluster(asked)
            work = partial(_encoded, service, asked, cluster)
            return Response(await service.on_model_thread(work), media_type=JSON)

        return await or_problem(answered)


def _add_history(app: FastAPI, service: PredictionService) -> None:
    @app.get(
        "/predictions",
        response_model=HistoryPage,
        tags=["predictions"],
        responses=problems(
            {
                BAD_REQUEST: "A parameter or cursor that cannot be.",
                FORBIDDEN: "Asked by a name that is not ours.",
                UNAVAILABLE: "No ledger is kept, or it does not serve now.",
            }
        )
        | {200: {"content": {"text/csv": {}, "text/html": {}}}},
    )
    async def predictions(  # noqa: PLR0913, PLR0917 - one parameter per filter
        request: Request,
        since_seconds: Seconds = None,
        until_seconds: Seconds = None,
        model: Annotated[str | None, Query(max_length=64)] = None,
        best_server: Annotated[str | None, Query(max_length=ID_LENGTH_MAX)] = None,
        source: PredictionSource | None = None,
        limit: Annotated[int, Query(ge=1, le=history.LIMIT_MAX)] = history.LIMIT_DEFAULT,
        cursor: Annotated[str | None, Query(max_length=256)] = None,
        format: history.Format | None = None,  # noqa: A002 - the name in the URL
        accept: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> Response:
        """Predictions of the past, newest first; as CSV all of them, a line for each server."""
        if unknown := request.query_params.keys() - FILTERS:
            # Left unheeded, a filter that is misspelt would look like an answer.
            line = f"{min(unknown)}: is no parameter; use {', '.join(sorted(FILTERS))}"
            return problem(BAD_REQUEST, line)
        kind = history.wanted_format(format, accept)

        async def answered() -> Response:
            chosen = PredictionFilter(
                since_seconds=since_seconds,
                until_seconds=until_seconds,
                model=model,
                best_server=best_server,
                source=source,
            )
            if kind == "csv":
                return await _csv(service, chosen, cursor)
            page_of = partial(history.page_of, service, chosen, limit, cursor)
            if kind == "html":
                shown = partial(pages.history_page, kept=_given(chosen))
                return HTMLResponse(await page_of(shown), headers=PAGE_HEADERS)
            pieces, _ = await page_of(history.json_pieces)
            return StreamingResponse(_each(pieces), media_type=JSON)

        return await or_problem(answered)


async def _csv(
    service: PredictionService, chosen: PredictionFilter, cursor: str | None
) -> Response:
    def following(cursor: str | None) -> Awaitable[history.Pieces]:
        return history.page_of(service, chosen, history.LIMIT_MAX, cursor, history.csv_pieces)

    rows = history.csv_of(await following(cursor), following)
    name = {"Content-Disposition": 'attachment; filename="predictions.csv"'}
    return StreamingResponse(rows, media_type="text/csv", headers=name)


async def _each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """One by one: the loop has turns between them."""
    for each in pieces:
        yield each


def _given(chosen: PredictionFilter) -> dict[str, str]:
    """The filters that were given, by name."""
    found = {name: getattr(chosen, name) for name in chosen.__slots__}
    return {name: str(value) for name, value in found.items() if value is not None}


def _encoded(service: PredictionService, *of: Any) -> bytes:  # noqa: ANN401 - see `answer`
    """An answer as JSON; on the model's thread."""
    return b"".join(encoding.answer_json(service.answer(*of)))


def _schemas(models: Collection[str]) -> dict[str, Any]:
    """The request's schema and those that it refers to, by name."""
    schema = PredictRequest.model_json_schema(ref_template=_REF)
    schema["properties"]["model"]["enum"] = list(models)
    return {**schema.pop("$defs", {}), PredictRequest.__name__: schema}
