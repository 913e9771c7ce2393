"""What the machine and the network allow: ports on loopback, a cluster to read."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from console.inspection.finding import Finding, State, one_line
from energy.errors import NegawattError

LOOPBACK = "127.0.0.1"
CLUSTER_SECONDS_MAX = 3.0  # a cluster that takes longer to answer is as good as none, here


def loopback_finding(address: str = LOOPBACK) -> Finding:
    """Try whether a server of ours could listen."""
    try:
        with socket.socket() as listener:
            listener.bind((address, 0))
            listener.listen()
            state, found = State.PRESENT, f"{address}:{listener.getsockname()[1]} was free"
    except OSError as error:
        state, found = State.BROKEN, one_line(f"cannot listen on {address}: {error}")
    return Finding(
        topic="network",
        name="loopback port",
        state=state,
        found=found,
        enables="every service and the local control plane",
        get="allow this user to open TCP sockets on 127.0.0.1",
    )


def cluster_finding(environ: Mapping[str, str]) -> Finding:
    """Ask the cluster of $KUBECONFIG or ~/.kube/config for its version; nothing else is read."""
    state, found = _cluster(environ)
    return Finding(
        topic="network",
        name="cluster",
        state=state,
        found=found,
        enables="reading a cluster of yours",
        get="name a kubeconfig: KUBECONFIG=FILE",
        optional=True,
    )


def _cluster(environ: Mapping[str, str]) -> tuple[State, str]:
    try:
        from cluster.kube.client import connect
        from cluster.kube.settings import KubeSettings
    except ImportError as error:
        return State.MISSING, one_line(f"the extra `kubernetes` is not installed ({error})")
    settings = KubeSettings(
        connect_timeout_seconds=CLUSTER_SECONDS_MAX, read_timeout_seconds=CLUSTER_SECONDS_MAX
    )
    try:
        client = connect(settings, environment=environ)
        try:
            return State.PRESENT, f"{client.server_version()} at {client.server}"
        finally:
            client.close()
    except NegawattError as error:
        return State.MISSING, one_line(str(error))
