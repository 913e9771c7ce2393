"""The bridge's HTTP shell: health and metrics."""

from __future__ import annotations

from typing import Protocol

from fastapi.responses import PlainTextResponse, Response

from telemetry.bridge.figures import BridgeFigures
from telemetry.bridge.metrics import exposition, process_registry
from telemetry.bridge.settings import BridgeSettings
from telemetry.serving.door import UNAVAILABLE, GuardedApp, guarded_app
from telemetry.serving.series import CONTENT_TYPE


class Running(Protocol):
    """A bridge on its thread."""

    def hangs(self) -> bool:
        """Whether the thread has ended, or does not come back from what it does."""

    def figures(self) -> BridgeFigures:
        """What there is to tell."""


def create_app(running: Running, settings: BridgeSettings) -> GuardedApp:
    """The application over a bridge."""
    app = guarded_app(settings, "negawatt telemetry")
    registry = process_registry()

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> Response:
        """Whether the bridge's thread turns."""
        if running.hangs():
            return PlainTextResponse("the bridge's thread hangs\n", UNAVAILABLE)
        return PlainTextResponse("ok\n")

    @app.get("/readyz", response_class=PlainTextResponse)
    async def readyz() -> Response:
        """Whether minutes are carried; 503 with a line for each thing that keeps them."""
        if app.draining:
            return PlainTextResponse("shutting down\n", UNAVAILABLE)
        found = running.figures()
        waits = () if found.last_success_seconds is not None else ("no minute was carried yet",)
        lines = (*(found.troubles or waits), *found.doubts)
        said = "".join(f"{line}\n" for line in lines) or "ok\n"
        return PlainTextResponse(said, UNAVAILABLE if found.troubles or waits else 200)

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """Prometheus' text format; the names are in docs/reference/telemetry-metrics.md."""
        return Response(exposition(registry, running.figures()), media_type=CONTENT_TYPE)

    return app
