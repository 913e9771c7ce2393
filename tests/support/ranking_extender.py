"""An extender of a test: answers the ranks that the test sets, and keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

LOOPBACK = "127.0.0.1"
UNRANKED_SCORE = 0


class RankingExtender:
    """An HTTP server on loopback that lives as long as its `with` block.

    Attributes:
        scores: node -> score, 0 to 10; others get 0.
        asked: the requests' bodies, in order.
    """

    def __init__(self) -> None:
        self.scores: dict[str, int] = {}
        self.asked: list[Mapping[str, Any]] = []
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self))
        self._thread = Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        """What `urlPrefix` must be."""
        return f"http://{LOOPBACK}:{self._server.server_port}/scheduler"

    def answer(self, verb: str, arguments: Mapping[str, Any]) -> list[dict[str, object]]:
        """Answer one call. KeyError if it is none that we configured."""
        if verb != "prioritize" or arguments["Nodes"] is not None:
            raise KeyError(verb)
        self.asked.append(arguments)
        names = arguments["NodeNames"]
        return [{"Host": name, "Score": self.scores.get(name, UNRANKED_SCORE)} for name in names]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(extender: RankingExtender) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keep the connection, as kube-scheduler does

        def do_POST(self) -> None:
            arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, answer = 200, extender.answer(self.path.rpartition("/")[2], arguments)
            except KeyError:
                status, answer = 400, []
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the test reports."""

    return Handler
