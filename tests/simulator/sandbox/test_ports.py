"""Ports are free, different, and not those that clients get."""

from __future__ import annotations

import socket

from simulator.sandbox.ports import LOOPBACK, PORT_RANGE, accepts, free_ports

CLIENT_PORT_FIRST = 32768  # Linux, net.ipv4.ip_local_port_range unless changed (ip-sysctl.rst)


def test_ports_are_different_and_can_be_listened_on() -> None:
    """All of them at once: a control plane needs eight."""
    ports = free_ports(8)

    assert len(set(ports)) == 8
    for port in ports:
        with socket.socket() as listener:
            listener.bind((LOOPBACK, port))


def test_ports_lie_below_those_of_outgoing_connections() -> None:
    """Otherwise a client could take a port before the server that it was chosen for."""
    assert PORT_RANGE.stop <= CLIENT_PORT_FIRST


def test_only_a_listening_port_accepts() -> None:
    """A bound port on which nobody listens refuses, as does a closed one."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port = listener.getsockname()[1]

        assert not accepts(port)

        listener.listen()

        assert accepts(port)
    assert not accepts(port)
