"""An extender's HTTP shell on a real socket of loopback, in a thread, over a steady scorer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

import uvloop
from steady_scorer import SteadyScorer

from extender.app import create_app
from extender.settings import ExtenderSettings
from telemetry.serving.server import Server, bound


@contextmanager
def served(settings: ExtenderSettings, scorer: SteadyScorer | None = None) -> Iterator[str]:
    """The URL of the server, as it says it."""
    urls: Queue[str] = Queue()
    server = Server(create_app(scorer or SteadyScorer(), settings), settings, urls.put)
    listener = bound(settings)

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve(sockets=[listener]))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield urls.get(timeout=30)
    finally:
        server.should_exit = True
        thread.join()
