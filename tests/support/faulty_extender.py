"""What stands where the extender should: slow, talking rubbish, giving half of an answer."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from threading import Lock, Thread
from typing import Any, Self
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
BIG_BYTES = 10 * 2**20

Body = dict[str, Any]
#: What a mood sends: status, bytes, and how many bytes it says that there are (None: as many).
Reply = tuple[int, bytes, int | None]
Mood = Callable[[Body], Reply]


def _scores(score: Callable[[int], object]) -> Mood:
    """Score every node that was asked for; `score` gets its place."""

    def mood(asked: Body) -> Reply:
        names = asked["NodeNames"]
        given = [{"Host": name, "Score": score(place)} for place, name in enumerate(names)]
        return 200, json.dumps(given).encode(), None

    return mood


def _says(text: bytes, status: int = 200, length: int | None = None) -> Mood:
    return lambda _: (status, text, length)


def _some_missing(asked: Body) -> Reply:
    given = [{"Host": name, "Score": 5} for name in asked["NodeNames"][::2]]
    return 200, json.dumps(given).encode(), None


def _strangers(asked: Body) -> Reply:
    given = [{"Host": f"not-{name}", "Score": 10} for name in asked["NodeNames"]]
    return 200, json.dumps(given).encode(), None


def _big(asked: Body) -> Reply:
    given = [{"Host": name, "Score": 10} for name in asked["NodeNames"]]
    body = json.dumps(given).encode()
    return 200, body + b" " * (BIG_BYTES - len(body)), None


#: Everything that an extender could answer and should not.
MOODS: dict[str, Mood] = {
    "rubbish": _says(b"\x00\xff<html>502 Bad Gateway</html>"),
    "no JSON that ends": _says(b'[{"Host": "n0", "Score": 1'),
    "nothing": _says(b""),
    "null": _says(b"null"),
    "an object": _says(b'{"error": "it is not my day"}'),
    "an error": _says(b'{"error": "it is not my day"}', 500),
    "half an answer": _says(b'[{"Host": "n0", "Sc', length=4000),
    "10 MB": _big,
    "fractions": _scores(lambda place: place + 0.5),
    "words": _scores(lambda _: "ten"),
    "nulls": _scores(lambda _: None),
    "negative scores": _scores(lambda place: -place),
    "scores beyond all bounds": _scores(lambda place: 10**15 + place),
    "missing nodes": _some_missing,
    "unknown nodes": _strangers,
}


class FaultyExtender:
    """An HTTP server on a given port of loopback, as a `with` block.

    Attributes:
        asked: how often each mood answered.
    """

    def __init__(self, port: int, moods: Iterator[tuple[str, Mood]]) -> None:
        self.asked: Counter[str] = Counter()
        self._moods, self._lock = moods, Lock()
        self._server = _Server((LOOPBACK, port), _handler(self))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join()

    def reply(self, asked: Body) -> Reply:
        """Answer one call by the next mood."""
        with self._lock:
            name, mood = next(self._moods)
            self.asked[name] += 1
        return mood(asked)


def through(url: str, delay_seconds: float = 0.0) -> Mood:
    """Give what the extender at `url` answers, later."""
    at = urlsplit(url)

    def mood(asked: Body) -> Reply:
        time.sleep(delay_seconds)
        connection = HTTPConnection(at.hostname or LOOPBACK, at.port, timeout=30)
        try:
            connection.request("POST", "/scheduler/prioritize", json.dumps(asked))
            answer = connection.getresponse()
            return answer.status, answer.read(), None
        finally:
            connection.close()

    return mood


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # one that is slow need not be waited for

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: set[socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a connection that will be kept."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that is closed."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close what is kept alive, or the next server on the port would not be asked."""
        for connection in tuple(self._connections):
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where the caller gave up."""


def _handler(extender: FaultyExtender) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body, length = extender.reply(asked)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)
            if length is not None:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing: the test reports."""

    return Handler
