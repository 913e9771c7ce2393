"""A server that hangs does not keep the extender from ending."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from extender_process import ExtenderProcess
from scripted_api import write_kubeconfig

from simulator.sandbox.ports import free_ports

LOOPBACK = "127.0.0.1"
KINDS = 4
#: Four informers that are waited for one after the other would take 40.
PATIENCE_SECONDS = 20.0


@pytest.fixture
def hung() -> Iterator[tuple[str, list[socket.socket]]]:
    """Return the URL of a server that takes connections and answers none, and those it took."""
    taken: list[socket.socket] = []
    with closing(socket.create_server((LOOPBACK, 0))) as listener:

        def take() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        thread = Thread(target=take)
        thread.start()
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}", taken
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in taken:
        connection.close()


def test_sigterm_ends_it_while_the_api_server_hangs(
    hung: tuple[str, list[socket.socket]], tmp_path: Path
) -> None:
    """All informers wait for an answer then, and share one time to end."""
    url, taken = hung
    kubeconfig = write_kubeconfig(tmp_path / "hung.kubeconfig", url)
    extender = ExtenderProcess(kubeconfig, free_ports(1)[0], tmp_path)
    extender.launch()
    try:
        while len(taken) < KINDS or not extender.answers("/healthz"):
            assert extender.runs, extender.log()
        extender.signal(signal.SIGTERM)
        code = extender.ended(PATIENCE_SECONDS)
    finally:
        extender.kill()

    assert code == 0, extender.log()
