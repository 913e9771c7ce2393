"""The controller's HTTP shell: health, metrics, and what each node's tier is and should be."""

from __future__ import annotations

from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict

from extender.tiers.controller import Controller
from extender.tiers.metrics import exposition, process_registry
from extender.tiers.settings import TiersSettings
from extender.tiers.survey import NodeTier
from ledger.writer import LedgerWriter
from telemetry.serving.door import UNAVAILABLE, GuardedApp, guarded_app
from telemetry.serving.series import CONTENT_TYPE


class Tiers(BaseModel):
    """What `GET /tiers` answers.

    Attributes:
        mode: observe or act.
        rule: what orders the nodes.
        leads: whether the process that answers may change labels.
        troubles: why no label is changed now; empty while all is well.
        nodes: every node by name, as of the last look; None before the first.
    """

    model_config = ConfigDict(frozen=True)

    mode: str
    rule: str
    leads: bool
    troubles: tuple[str, ...]
    nodes: tuple[NodeTier, ...] | None


def create_app(
    controller: Controller, settings: TiersSettings, ledger: LedgerWriter | None = None
) -> GuardedApp:
    """The application over a controller, and what writes its ledger, where one is kept."""
    app = guarded_app(settings, "negawatt tiers")
    registry = process_registry()

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> Response:
        """Whether the controller's thread turns."""
        if controller.hangs():
            return PlainTextResponse("the controller's thread hangs\n", UNAVAILABLE)
        return PlainTextResponse("ok\n")

    @app.get("/readyz", response_class=PlainTextResponse)
    async def readyz() -> Response:
        """Whether labels can be kept; 503 with a line for each thing that is missing."""
        if app.draining:
            return PlainTextResponse("shutting down\n", UNAVAILABLE)
        readiness = controller.readiness()
        said = "".join(f"{line}\n" for line in readiness.lines) or "ok\n"
        return PlainTextResponse(said, 200 if readiness.ready else UNAVAILABLE)

    # Plain functions: on threads of their own, so that 5,000 nodes do not hold health up.
    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """Prometheus' text format; the names are in docs/reference/tiers-metrics.md."""
        return Response(exposition(registry, controller.figures(), ledger), media_type=CONTENT_TYPE)

    @app.get("/tiers")
    def tiers() -> Tiers:
        """Every node with its tier, the one that it should have, and why."""
        found = controller.figures()
        return Tiers(
            mode=found.mode,
            rule=found.rule,
            leads=found.leads,
            troubles=found.troubles,
            nodes=None if found.survey is None else found.survey.tiers(),
        )

    return app
