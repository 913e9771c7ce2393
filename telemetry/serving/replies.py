"""Short answers on the bare ASGI interface, said alike by every service."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_JSON = (b"content-type", b"application/json")


async def send_json(
    send: Send, code: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Answer with JSON that is encoded already."""
    length = (b"content-length", b"%d" % len(body))
    await send(
        {"type": "http.response.start", "status": code, "headers": [_JSON, length, *headers]}
    )
    await send({"type": "http.response.body", "body": body})


def error_body(line: str) -> bytes:
    """What went wrong, as every path of every service says it."""
    text = json.dumps({"error": " ".join(line.split())}, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace")
