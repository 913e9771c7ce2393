"""The service of predictions alone: its paths and health, no scheduler and no cluster."""

from __future__ import annotations

from fastapi.responses import PlainTextResponse, Response
from prometheus_client import generate_latest

from extender.app import ExtenderApp, add_health, bare_app
from extender.metrics import CONTENT_TYPE
from extender.openapi import document
from extender.prediction.routes import add_prediction
from extender.prediction.service import PredictionService
from extender.scorer import Readiness
from extender.settings import ExtenderSettings

TITLE = "Negawatt predictions"
DESCRIPTION = (
    "Says what a task costs in watts on each of several servers. Callers off loopback send a bearer"
    " token, or come with a client certificate; health is open to all."
)


def create_prediction_app(service: PredictionService, settings: ExtenderSettings) -> ExtenderApp:
    """The application over a service."""
    app = bare_app(settings, TITLE, DESCRIPTION)
    add_health(app, lambda: Readiness(ready=True))

    @app.get("/metrics", response_class=PlainTextResponse, tags=["reports"])
    async def metrics() -> Response:
        """Requests by path and status code, and the process, in Prometheus' text format."""
        return Response(generate_latest(app.metrics.registry), media_type=CONTENT_TYPE)

    add_prediction(app, service, settings)
    app.openapi = lambda: document(app, app.schemas, with_scheduler=False)  # type: ignore[method-assign]
    return app
