"""A proxy before an extender that remembers every score that it gave."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

PATIENCE_SECONDS = 30.0


class Recorder:
    """What was asked and answered; ``url`` is what the scheduler is told.

    Attributes:
        scores: pod name -> host -> score, of the last answer about the pod.
    """

    def __init__(self, target: str) -> None:
        self.scores: dict[str, dict[str, int]] = {}
        self.target = urlsplit(target)
        self.url = ""

    def connect(self) -> http.client.HTTPConnection:
        """Give a connection to the extender."""
        return http.client.HTTPConnection(self.target.netloc, timeout=PATIENCE_SECONDS)

    def note(self, question: bytes, answer: bytes) -> None:
        """Remember what was answered about a pod."""
        pod = json.loads(question)["Pod"]["metadata"]["name"]
        self.scores[pod] = {each["Host"]: each["Score"] for each in json.loads(answer)}


@contextmanager
def recording(target: str) -> Iterator[Recorder]:
    """Stand before the extender at ``target`` until the block ends."""
    recorder = Recorder(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body go in one packet, or each answer waits 40 ms for an acknowledgement.
        wbufsize = -1
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self.onward = recorder.connect()

        def finish(self) -> None:
            self.onward.close()
            super().finish()

        def do_POST(self) -> None:  # the library's name
            question = self.rfile.read(int(self.headers["Content-Length"]))
            self.onward.request("POST", self.path, question, {"Content-Type": "application/json"})
            reply = self.onward.getresponse()
            answer = reply.read()
            recorder.note(question, answer)
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()
