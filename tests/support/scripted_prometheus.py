"""A server that answers as a test says, byte by byte: for what a real Prometheus does rarely."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LOOPBACK = "127.0.0.1"

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Run a server that is not quite Prometheus; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # the client leaves in the middle

    server = Server((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def text(status: int, body: bytes, **headers: str) -> Answer:
    """Answer everything with this."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def said(status: int, error_type: str, words: str) -> Answer:
    """Answer everything as Prometheus' API does what fails."""
    body = {"status": "error", "errorType": error_type, "error": words}
    return text(status, json.dumps(body).encode())


class Script:
    """Answers a query with a seven a minute, unless a test says something else of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.labels: dict[str, list[dict[str, str]]] = {}
        """A part of a query -> labels of its series; one without labels for any other."""
        self.faults: dict[str, Answer] = {}
        """A part of a query -> what it is answered with instead."""

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request, or fail as the test says."""
        query = parse_qs(urlsplit(request.path).query)["query"][0]
        self.asked.append(query)
        fault = next((self.faults[part] for part in self.faults if part in query), self.answer)
        fault(request)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request well."""
        parts = urlsplit(request.path)
        said_of = {name: values[0] for name, values in parse_qs(parts.query).items()}
        query = said_of["query"]
        labels = next((self.labels[part] for part in self.labels if part in query), [{}])
        at_seconds = [time.time()]
        if parts.path.endswith("query_range"):
            ends = (int(float(said_of[name])) for name in ("start", "end"))
            at_seconds = [float(at) for at in range(next(ends), next(ends) + 1, 60)]
            result = [{"metric": of, "values": [[at, "7"] for at in at_seconds]} for of in labels]
        else:
            result = [{"metric": of, "value": [at_seconds[0], "7"]} for of in labels]
        body = {"status": "success", "data": {"result": result}}
        text(200, json.dumps(body).encode())(request)
