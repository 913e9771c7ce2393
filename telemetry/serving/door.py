"""FastAPI behind a door: who may not ask is refused before any path is looked up."""

from __future__ import annotations

from fastapi import FastAPI
from typing_extensions import override

from telemetry.serving.access import Access, Guard
from telemetry.serving.replies import Receive, Scope, Send, error_body, send_json

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, UNAVAILABLE = 401, 403, 404, 503
CHALLENGE = ((b"www-authenticate", b"Bearer"),)


class GuardedApp(FastAPI):
    """An application that is asked by whom its settings let in.

    Attributes:
        access: who that is.
        draining: it is being stopped; /readyz should say so.
    """

    access: Access
    draining: bool

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            if (line := self.access.refusal(scope)) is not None:
                await send_json(send, UNAUTHORIZED, error_body(line), CHALLENGE)
                return
            if (line := self.access.foreign_host(scope)) is not None:
                await send_json(send, FORBIDDEN, error_body(line))
                return
        await super().__call__(scope, receive, send)


def guarded_app(settings: Guard, title: str, description: str = "") -> GuardedApp:
    """An application with a door and no path behind it."""
    app = GuardedApp(
        title=title,
        description=description,
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.access = Access.from_settings(settings)
    app.draining = False
    return app
