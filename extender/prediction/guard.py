"""Keeps foreign pages out: what a browser may be made to send by a page that is not ours.

Loopback needs no token, and a browser on this machine is on loopback whatever page it shows. So a
JSON body must say that it is one (no page can send that elsewhere without asking first, and asking
is answered for allowed origins alone), and a form must come from our own page. Names that somebody
else's DNS points at 127.0.0.1 are refused before (`telemetry.serving.access`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from extender.settings import ExtenderSettings
from telemetry.serving.replies import Message, Receive, Scope, Send

FORBIDDEN: Final = 403
NO_CONTENT: Final = 204
PATHS: Final = ("/predict", "/predictions")
#: For pages: nothing from elsewhere, no script, no frame, and a form goes back to us alone.
PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: a form would then come from the origin `null`.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_PREFLIGHT_SECONDS: Final = 600
_METHODS: Final = {"/predict": b"GET, POST", "/predictions": b"GET"}


def is_ours(path: str) -> bool:
    """Whether a path belongs to the service of predictions."""
    return path in PATHS or path.startswith("/predict/")


class Guard:
    """ASGI around an application: heeds origins on the paths of predictions alone."""

    def __init__(self, app: ASGIApp, settings: ExtenderSettings) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in settings.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or leave it to the application."""
        if scope["type"] != "http" or not is_ours(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        if self.is_preflight(scope):
            await self._allow(scope, headers, send)
        else:
            await self._app(scope, receive, self._marked(headers, send))

    def is_preflight(self, scope: Mapping[str, Any]) -> bool:
        """Whether a browser asks if a page of an allowed origin may ask."""
        if scope["method"] != "OPTIONS" or scope["path"] not in _METHODS:
            return False
        headers = _headers(scope)
        return (
            headers.get(b"origin") in self._origins and b"access-control-request-method" in headers
        )

    async def _allow(self, scope: Scope, headers: Mapping[bytes, bytes], send: Send) -> None:
        answer = [
            (b"access-control-allow-origin", headers[b"origin"]),
            (b"access-control-allow-methods", _METHODS[scope["path"]]),
            (b"access-control-allow-headers", b"content-type, authorization"),
            (b"access-control-max-age", b"%d" % _PREFLIGHT_SECONDS),
            (b"vary", b"Origin"),
        ]
        await send({"type": "http.response.start", "status": NO_CONTENT, "headers": answer})
        await send({"type": "http.response.body", "body": b""})

    def _marked(self, headers: Mapping[bytes, bytes], send: Send) -> Send:
        """Let a page of an allowed origin read the answer."""
        if not self._origins:
            return send
        origin = headers.get(b"origin", b"")

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                message["headers"] = [*message["headers"], (b"vary", b"Origin")]
                if origin in self._origins:
                    message["headers"].append((b"access-control-allow-origin", origin))
            await send(message)

        return marked


def form_refusal(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Why a form is not answered; None where our own page sent it.

    Browsers say where a form comes from: in `Sec-Fetch-Site`, or at least in `Origin`.
    """
    found = dict(headers)
    site = found.get(b"sec-fetch-site")
    if site is not None:
        return None if site in {b"same-origin", b"none"} else "the form comes from another site"
    try:
        origin = urlsplit(found.get(b"origin", b"").decode("latin-1")).netloc
    except ValueError:  # such as `http://[`
        return "the form comes from another site"
    if not origin:
        return "the form does not say where it comes from; programs send JSON to /predict"
    own = found.get(b"host", b"").decode("latin-1")
    return None if origin == own else "the form comes from another site"


def _headers(scope: Mapping[str, Any]) -> dict[bytes, bytes]:
    return dict(scope["headers"])
