"""The controller's HTTP shell: health, metrics, and what each node's tier is and should be."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from extender import verbs
from extender.access import Access
from extender.metrics import CONTENT_TYPE
from extender.tiers.controller import Controller
from extender.tiers.metrics import exposition, process_registry
from extender.tiers.settings import TiersSettings
from extender.tiers.survey import NodeTier

UNAUTHORIZED, FORBIDDEN, UNAVAILABLE = 401, 403, 503
_CHALLENGE = ((b"www-authenticate", b"Bearer"),)


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


class TiersApp(FastAPI):
    """FastAPI behind a door: who may not ask is refused."""

    access: Access
    draining: bool

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            if (line := self.access.refusal(scope)) is not None:
                await verbs.send_json(send, UNAUTHORIZED, verbs.error_body(line), _CHALLENGE)
                return
            if (line := self.access.foreign_host(scope)) is not None:
                await verbs.send_json(send, FORBIDDEN, verbs.error_body(line))
                return
        await super().__call__(scope, receive, send)


def create_app(controller: Controller, settings: TiersSettings) -> TiersApp:
    """The application over a controller."""
    app = TiersApp(
        title="negawatt tiers",
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.access = Access.from_settings(settings)
    app.draining = False
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
        return Response(exposition(registry, controller.figures()), media_type=CONTENT_TYPE)

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
