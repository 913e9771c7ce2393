"""The forecaster's HTTP shell: forecasts with their reasons, the models, metrics and health."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from forecaster.figures import Figures, Readiness, Workload, WorkloadState
from forecaster.metrics import exposition, process_registry
from forecaster.models_report import ModelsReport
from telemetry.serving.access import Guard
from telemetry.serving.door import NOT_FOUND, UNAVAILABLE, GuardedApp, guarded_app
from telemetry.serving.series import CONTENT_TYPE

METHOD_NOT_ALLOWED = 405
DESCRIPTION = (
    "Says what traffic workloads will have in 5 to 30 minutes, how sure that is, and why. Callers"
    " off loopback send a bearer token, or come with a client certificate; health is open to all."
)


class Reported(Protocol):
    """What the shell asks of the service."""

    def hangs(self) -> bool:
        """Whether its thread does not turn."""

    def readiness(self) -> Readiness:
        """Whether forecasts are made."""

    def reads_past(self) -> bool:
        """Whether samples that came long ago are still to be read."""

    def workload(self, key: str) -> Workload | None:
        """What is known of a workload."""

    def states(self) -> tuple[WorkloadState, ...]:
        """Every workload that is known."""

    def figures(self) -> Figures:
        """The state, for metrics."""

    def models_report(self) -> ModelsReport:
        """Versions, who serves, and how they do."""


class Queue(Protocol):
    """What the ledger's writer says of itself."""

    @property
    def written(self) -> int: ...  # noqa: D102 - see the class
    @property
    def dropped(self) -> int: ...  # noqa: D102
    @property
    def pending(self) -> int: ...  # noqa: D102


def create_app(service: Reported, settings: Guard, queue: Queue | None = None) -> GuardedApp:
    """The application over a service; ``queue`` is that of its ledger, where one is kept."""
    app = guarded_app(settings, "negawatt forecaster", DESCRIPTION)
    registry = process_registry()

    @app.exception_handler(NOT_FOUND)
    @app.exception_handler(METHOD_NOT_ALLOWED)
    @app.exception_handler(UNAVAILABLE)
    async def refused(_request: Request, error: HTTPException) -> Response:
        said = {"error": str(error.detail)}
        return JSONResponse(said, error.status_code, getattr(error, "headers", None))

    _add_health(app, service)

    # Plain functions: on threads of their own, so that 10,000 workloads do not hold health up.
    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """Prometheus' text format; the names are in docs/reference/forecaster-metrics.md."""
        figures = service.figures()
        if queue is not None:
            ledger = {"written": queue.written, "dropped": queue.dropped, "pending": queue.pending}
            figures = replace(figures, ledger=ledger)
        return Response(exposition(registry, figures), media_type=CONTENT_TYPE)

    @app.get("/forecast/{namespace}/{kind}/{name}")
    def forecast(namespace: str, kind: str, name: str) -> Workload:
        """The newest forecast of a workload, what each model said, and how good such were."""
        key = f"{namespace}/{kind}/{name}"
        if (found := service.workload(key)) is None and service.reads_past():
            raise HTTPException(
                UNAVAILABLE, f"no sample of {key:.600} came yet; the past is still being read"
            )
        if found is None:
            raise HTTPException(
                NOT_FOUND, f"no sample of {key:.600} ever came here; another forecaster may have it"
            )
        return found

    @app.get("/forecasts")
    def forecasts() -> list[WorkloadState]:
        """The workloads that are known here, by key, and how their forecasts stand."""
        return list(service.states())

    @app.get("/models")
    def models() -> ModelsReport:
        """The versions of the models, who serves and challenges, their errors, and what changed."""
        return service.models_report()

    return app


def _add_health(app: GuardedApp, service: Reported) -> None:
    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> Response:
        """Whether the forecaster's thread turns."""
        if service.hangs():
            return PlainTextResponse("the forecaster's thread hangs\n", UNAVAILABLE)
        return PlainTextResponse("ok\n")

    @app.get("/readyz", response_class=PlainTextResponse)
    async def readyz() -> Response:
        """Whether forecasts are made; 503 with a line for each thing that is missing."""
        if app.draining:
            return PlainTextResponse("shutting down\n", UNAVAILABLE)
        readiness = service.readiness()
        said = "".join(f"{line}\n" for line in readiness.lines) or "ok\n"
        return PlainTextResponse(said, 200 if readiness.ready else UNAVAILABLE)
