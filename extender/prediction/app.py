"""The service of predictions alone: its paths and health, no scheduler and no cluster."""

from __future__ import annotations

from fastapi.responses import PlainTextResponse, Response
from prometheus_client import generate_latest

from extender.app import ExtenderApp, add_health, bare_app
from extender.figures import Figures
from extender.openapi import document
from extender.prediction.recording import Queue
from extender.prediction.routes import add_prediction
from extender.prediction.service import PredictionService
from extender.scorer import Readiness
from extender.settings import ExtenderSettings
from extender.state_metrics import LEDGER_FAMILIES
from telemetry.serving.series import CONTENT_TYPE, lines

TITLE = "Negawatt predictions"
DESCRIPTION = (
    "Says what a task costs in watts on each of several servers. Callers off loopback send a bearer"
    " token, or come with a client certificate; health is open to all."
)


def create_prediction_app(
    service: PredictionService, settings: ExtenderSettings, queue: Queue | None = None
) -> ExtenderApp:
    """The application over a service; ``queue`` is that of its ledger, where one is kept."""
    app = bare_app(settings, TITLE, DESCRIPTION)
    add_health(app, lambda: Readiness(ready=True))

    @app.get("/metrics", response_class=PlainTextResponse, tags=["reports"])
    async def metrics() -> Response:
        """Requests by path and status code, ledger and process, in Prometheus' text format."""
        said = generate_latest(app.metrics.registry) + _ledger_lines(queue).encode()
        return Response(said, media_type=CONTENT_TYPE)

    add_prediction(app, service, settings)
    app.openapi = lambda: document(app, app.schemas, with_scheduler=False)  # type: ignore[method-assign]
    return app


def _ledger_lines(queue: Queue | None) -> str:
    """What the extender says of its ledger, too."""
    if queue is None:
        return ""
    figures = Figures(
        mode="predict",
        rule="none",
        ledger_written=queue.written,
        ledger_dropped=queue.dropped,
        ledger_forgotten=queue.forgotten,
        ledger_pending=queue.pending,
    )
    return "".join(line for family in LEDGER_FAMILIES for line in lines(family, figures))
