"""A scripted server, and clients and informers of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_api import ScriptedApi, scripted_api

from cluster.kube.client import KubeClient, connect
from cluster.kube.settings import KubeSettings


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """Return a server that answers as the test scripts it."""
    with scripted_api() as server:
        yield server


@pytest.fixture
def client(api: ScriptedApi, tmp_path: Path) -> Iterator[KubeClient]:
    """Return a client of the scripted server that waits one second for an answer."""
    settings = KubeSettings(
        kubeconfig=api.kubeconfig(tmp_path),
        read_timeout_seconds=1.0,
        requests_per_second_max=1000.0,
        requests_burst_max=1000,
    )
    connected = connect(settings, environment={})
    yield connected
    connected.close()
