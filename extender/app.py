"""The extender's HTTP shell: the scheduler's verbs on a bare path, everything else on FastAPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from typing_extensions import override

from extender import verbs
from extender.explanation import Explanation
from extender.metrics import RequestMetrics, exposition
from extender.openapi import DESCRIPTION, TITLE, Problem, document
from extender.savings import NAMESPACE, By, Savings, summed
from extender.scorer import Readiness, Scorer
from extender.settings import ExtenderSettings
from telemetry.serving.access import Access
from telemetry.serving.replies import Message, Receive, Scope, Send, error_body, send_json
from telemetry.serving.series import CONTENT_TYPE

PRIORITIZE, FILTER, EMPTY = "/scheduler/prioritize", "/scheduler/filter", "/scheduler/empty"
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
NOT_ALLOWED, UNAVAILABLE = 405, 503
_LABELS = {
    "healthz", "readyz", "metrics", "explain", "savings", "scheduler", "predict", "predictions",
}  # fmt: skip
_CHALLENGE = ((b"www-authenticate", b"Bearer"),)


class ExtenderApp(FastAPI):
    """FastAPI behind a door: who may not ask is refused, what is hot is answered there."""

    hot: dict[str, verbs.Verb | verbs.EmptyVerb]
    access: Access
    metrics: RequestMetrics
    draining: bool
    #: Schemas of bodies that FastAPI does not read, by name.
    schemas: dict[str, Any]
    #: Whether a browser only asks what a page may ask, which needs no token.
    is_preflight: Callable[[Scope], bool] = staticmethod(lambda _scope: False)

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if (line := self.access.refusal(scope)) is not None and not self.is_preflight(scope):
            await send_json(send, UNAUTHORIZED, error_body(line), _CHALLENGE)
            self.metrics.count(_label(scope["path"]), UNAUTHORIZED)
        elif (verb := self.hot.get(scope["path"])) is not None and scope["method"] == "POST":
            await verb(scope, receive, send)
        elif (line := self.access.foreign_host(scope)) is not None:
            await send_json(send, FORBIDDEN, error_body(line))
            self.metrics.count(_label(scope["path"]), FORBIDDEN)
        else:
            await self._route(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.metrics.count(_label(scope["path"]), message["status"])
            await send(message)

        await super().__call__(scope, receive, counted)


def create_app(
    scorer: Scorer,
    settings: ExtenderSettings,
    *,
    metrics: RequestMetrics | None = None,
    with_empty_handler: bool = False,
    add: Callable[[ExtenderApp], None] = lambda _app: None,
) -> ExtenderApp:
    """The application over a core. ``with_empty_handler`` adds what a bench compares with.

    ``add`` adds what is answered beside the scheduler.
    """
    app = bare_app(settings, TITLE, DESCRIPTION, metrics)
    shell = verbs.Shell(metrics=app.metrics, body_limit_bytes=settings.body_limit_bytes)
    app.hot = {
        PRIORITIZE: verbs.Verb("prioritize", verbs.prioritize(scorer), verbs.no_opinion, shell),
        FILTER: verbs.Verb("filter", verbs.filter_nodes(scorer), verbs.keep_all, shell),
    }
    if with_empty_handler:
        app.hot[EMPTY] = verbs.EmptyVerb()
    for path in app.hot:
        # A POST never comes so far; here so that another method is answered with 405.
        app.add_api_route(path, _answered_before, methods=["POST"], include_in_schema=False)
    add_health(app, scorer.readiness)
    _add_reports(app, scorer)
    add(app)
    app.openapi = lambda: document(app, app.schemas)  # type: ignore[method-assign]
    return app


def bare_app(
    settings: ExtenderSettings, title: str, description: str, metrics: RequestMetrics | None = None
) -> ExtenderApp:
    """An application with a door and no path behind it."""
    app = ExtenderApp(
        title=title,
        description=description,
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.access = Access.from_settings(settings, settings.allowed_origins)
    app.metrics = metrics or RequestMetrics()
    app.draining = False
    app.hot, app.schemas = {}, {}
    _say_errors_in_one_line(app)
    return app


def add_health(app: ExtenderApp, readiness: Callable[[], Readiness]) -> None:
    """Say whether the service lives, and whether it can be asked."""

    # Coroutines, so that they are answered by the event loop: if it hangs, so do they.
    @app.get("/healthz", response_class=PlainTextResponse, tags=["health"])
    async def healthz() -> str:
        """Whether the event loop turns."""
        return "ok\n"

    @app.get(
        "/readyz",
        response_class=PlainTextResponse,
        tags=["health"],
        responses={UNAVAILABLE: {"description": "What is missing, a line each."}},
    )
    async def readyz() -> Response:
        """Whether it can be asked; 503 with a line for each thing that is missing."""
        if app.draining:
            return PlainTextResponse("shutting down\n", UNAVAILABLE)
        found = readiness()
        said = "".join(f"{line}\n" for line in found.lines) or "ok\n"
        return PlainTextResponse(said, 200 if found.ready else UNAVAILABLE)


def _add_reports(app: ExtenderApp, scorer: Scorer) -> None:
    @app.get("/metrics", response_class=PlainTextResponse, tags=["reports"])
    async def metrics() -> Response:
        """Prometheus' text format; the names are in docs/reference/metrics.md."""
        pieces = [piece async for piece in exposition(app.metrics, scorer.figures())]
        return Response(b"".join(pieces), media_type=CONTENT_TYPE)

    @app.get(
        "/explain/{namespace}/{pod}",
        response_model=Explanation,
        tags=["reports"],
        responses={NOT_FOUND: {"model": Problem, "description": "There is no such pod."}},
    )
    async def explain(namespace: str, pod: str) -> Response:
        """Why a pod is where it is, or where it would go: every candidate and its cost."""
        found = scorer.explain(namespace, pod)
        if found is None:
            _require_ready(scorer)
            raise HTTPException(NOT_FOUND, f"no pod {namespace}/{pod} is known")
        return Response(found.model_dump_json(), media_type="application/json")

    @app.get("/savings", tags=["reports"])
    async def savings(
        by: Annotated[By, Query(description="What to sum over.")] = NAMESPACE,
    ) -> Savings:
        """The watts and joules forgone: what the scheduler's choices cost beyond ours."""
        _require_ready(scorer)
        return summed(scorer.figures(), by)


def _require_ready(scorer: Scorer) -> None:
    """Refuse to speak of a cluster that was never seen: a zero would look like an answer."""
    readiness = scorer.readiness()
    if not readiness.ready:
        raise HTTPException(UNAVAILABLE, f"not ready: {'; '.join(readiness.lines)}")


def _say_errors_in_one_line(app: ExtenderApp) -> None:
    @app.exception_handler(NOT_FOUND)
    @app.exception_handler(UNAVAILABLE)
    @app.exception_handler(NOT_ALLOWED)
    async def refused(_request: Request, error: HTTPException) -> Response:
        body = error_body(str(error.detail))
        return Response(body, error.status_code, error.headers, "application/json")

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        line = f"{first['loc'][-1]}: {first['msg']}"
        return Response(error_body(line), verbs.BAD_REQUEST, media_type="application/json")


async def _answered_before() -> None:
    """Stands for what `ExtenderApp` answers itself."""


def _label(path: str) -> str:
    """A path as a label of metrics: few values, whatever is asked."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return first if first in _LABELS else "other"
