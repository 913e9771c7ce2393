"""A loopback HTTP server that answers a list or a watch as a test scripts it.

It stands in for an API server only where a real one cannot be made to misbehave on demand: load
shedding, garbage in a stream, a page that expires. Everything else is tested on a real one.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

import yaml

Json = Mapping[str, object] | bytes
Answer = Callable[["ScriptedRequest"], None]


@dataclass
class ScriptedRequest:
    """One request, and the means to answer it."""

    path: str
    query: dict[str, str]
    handler: BaseHTTPRequestHandler
    closing: Event

    def answer(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        """Answer with a whole JSON body."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.handler.send_response(status)
        for name, value in (headers or {}).items():
            self.handler.send_header(name, value)
        self.handler.send_header("Content-Length", str(len(text)))
        self.handler.end_headers()
        self.handler.wfile.write(text)

    def stream(self, *lines: Json, hold_open: bool = False) -> None:
        """Answer with a watch: one line each, then the end, or silence until the server stops."""
        self.handler.send_response(200)
        self.handler.send_header("Transfer-Encoding", "chunked")
        self.handler.end_headers()
        for line in lines:
            text = line if isinstance(line, bytes) else json.dumps(line).encode()
            self.handler.wfile.write(b"%x\r\n%s\n\r\n" % (len(text) + 1, text))
        if hold_open:
            self.closing.wait(30)
        self.handler.wfile.write(b"0\r\n\r\n")


@dataclass
class ScriptedApi:
    """Answers in the order scripted; the last answer of each kind repeats."""

    lists: deque[Answer] = field(default_factory=deque)
    watches: deque[Answer] = field(default_factory=deque)
    requests: list[ScriptedRequest] = field(default_factory=list)
    closing: Event = field(default_factory=Event)
    port: int = 0

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig for this server."""
        return write_kubeconfig(folder / "scripted.kubeconfig", f"http://127.0.0.1:{self.port}")

    def serve(self, request: ScriptedRequest) -> None:
        """Answer one request."""
        self.requests.append(request)
        script = self.watches if request.query.get("watch") == "true" else self.lists
        answer = script.popleft() if len(script) > 1 else script[0]
        answer(request)


def write_kubeconfig(path: Path, server: str, *, bearer: str = "", authority: str = "") -> Path:
    """Write a kubeconfig of one cluster, one user and one context named `test`."""
    cluster = {"server": server} | ({"certificate-authority": authority} if authority else {})
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": bearer} if bearer else {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def scripted_api() -> Iterator[ScriptedApi]:
    """Run a scripted server on a free loopback port."""
    api = ScriptedApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            with suppress(ConnectionError):  # the client may leave, as a stopped informer does
                api.serve(ScriptedRequest(url.path, query, self, api.closing))

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *request: object) -> None:
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(*request)

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield api
    finally:
        api.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def node(name: str, version: int) -> dict[str, object]:
    """Return a node as JSON."""
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def node_list(*items: Json, version: int, more: str = "") -> dict[str, object]:
    """Return a page of nodes as JSON."""
    return {
        "kind": "NodeList",
        "metadata": {"resourceVersion": str(version), "continue": more},
        "items": list(items),
    }


def status(code: int, reason: str, message: str) -> dict[str, object]:
    """Return the Status object with which the API server refuses."""
    return {"kind": "Status", "code": code, "reason": reason, "message": message}
