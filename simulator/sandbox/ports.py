"""TCP ports of loopback."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from random import SystemRandom

from energy.errors import UnavailableError

LOOPBACK = "127.0.0.1"
PORT_RANGE = range(20000, 32000)


def free_ports(count: int) -> list[int]:
    """Give `count` different TCP ports of loopback that nobody listened on a moment ago.

    They lie below the range from which Linux takes ports for outgoing connections: one of those
    could be taken, by a client, between this answer and the server's start.
    """
    with ExitStack() as stack:
        ports: list[int] = []
        for port in SystemRandom().sample(PORT_RANGE, len(PORT_RANGE)):
            if len(ports) == count:
                return ports
            listener = stack.enter_context(socket.socket())
            if _bound(listener, port):
                ports.append(port)
    raise UnavailableError(
        f"no {count} free TCP ports from {PORT_RANGE.start} to {PORT_RANGE.stop - 1}",
        where=LOOPBACK,
        mend="end what listens there",
    )


def _bound(listener: socket.socket, port: int) -> bool:
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        return False
    return True


def accepts(port: int) -> bool:
    """Whether somebody on loopback accepts connections on `port`."""
    with socket.socket() as client:
        client.settimeout(1.0)
        return client.connect_ex((LOOPBACK, port)) == 0
