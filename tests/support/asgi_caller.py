"""Ask an ASGI application without a socket, from whatever address a test wants to come from."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

LOOPBACK = ("127.0.0.1", 50_000)
ELSEWHERE = ("10.0.0.7", 50_000)


@dataclass
class Reply:
    """What the application sent, and what the server would have told it next."""

    pieces: list[bytes]
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    sent: bytes = b""

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.sent)

    async def receive(self) -> dict[str, Any]:
        """The next piece of the request's body; then the caller goes away."""
        if not self.pieces:
            return {"type": "http.disconnect"}
        body = self.pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.pieces)}

    async def send(self, message: dict[str, Any]) -> None:
        """Keep what the application says."""
        if message["type"] == "http.response.start":
            assert not self.status, "the application answered twice"
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.sent += message.get("body", b"")


def ask(
    app: Any,
    method: str,
    target: str,
    body: bytes | list[bytes] = b"",
    *,
    client: tuple[str, int] | None = LOOPBACK,
    headers: dict[str, str] | None = None,
) -> Reply:
    """One request; a list as body is sent piece by piece."""
    path, _, query = target.partition("?")
    pieces = [body] if isinstance(body, bytes) else list(body)
    reply = Reply(pieces)
    scope = {
        "type": "http",
        # 2.4: who listens on this caller has it go away at once, after the question.
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        "client": client,
        "server": ("127.0.0.1", 10_380),
    }
    asyncio.run(app(scope, reply.receive, reply.send))
    return reply
