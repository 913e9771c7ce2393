"""Fixtures that hand out the real components; a test that uses one is marked by conftest.py."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import components
import pytest

from simulator.sandbox import lifecycle
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.kwokctl_configuration import ControlPlaneOptions
from simulator.sandbox.record import NO_EXTENDER, options_of
from simulator.sandbox.sandbox import Sandbox
from simulator.sandbox.toolchain import Toolchain

SANDBOX_NODES = 24  # every third server of the mixed fleet's kinds, near enough


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """Give what `make toolchain` built."""
    return Toolchain.found(os.environ)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """Give one running control plane for all tests: use names of your own and clean up."""
    with ControlPlane(Toolchain.found(os.environ)) as plane:
        yield plane


@pytest.fixture(scope="session")
def kubeconfig(control_plane: ControlPlane) -> Path:
    """Give the administrator's kubeconfig of that control plane."""
    return control_plane.kubeconfig


@pytest.fixture(scope="session")
def measured_plane() -> Iterator[ControlPlane]:
    """Give a control plane with a metrics-server, and Prometheus where it is installed.

    The pod `default/busy` on the node `metered` uses 450m and 64 MiB, as KWOK plays it.
    metrics-server wants two readings before it says so: here as often as it can, every 10 s.
    """
    prometheus = shutil.which("prometheus")
    options = ControlPlaneOptions(
        metrics_server=True,
        prometheus=Path(prometheus) if prometheus else None,
        arguments={"metrics-server": {"metric-resolution": "10s", "kubelet-request-timeout": "5s"}},
    )
    usage = {"kwok.x-k8s.io/usage-cpu": "450m", "kwok.x-k8s.io/usage-memory": "64Mi"}
    busy = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "busy", "namespace": "default", "annotations": usage},
        "spec": {"nodeName": "metered", "containers": [{"name": "main", "image": "none"}]},
    }
    with ControlPlane(Toolchain.found(os.environ), options) as plane:
        plane.kubectl("create", "-f", "-", manifest=fake_node("metered"))
        plane.kubectl("create", "-f", "-", manifest=busy)
        yield plane


class SandboxFactory:
    """Starts sandboxes; those with the same options are one and the same until the session ends."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._started: dict[str, Sandbox] = {}

    def __call__(self, **options: object) -> Sandbox:
        """Give a started sandbox (`nodes`, `fleet`, `extras`, ... of `SandboxOptions`).

        Without our extender, which takes seconds to start, unless `extender` names its mode.
        Others use it too: call its `reset` where that matters. Mark the test with what the
        `extras` need (`prometheus`, `kafka`).
        """
        wanted = options_of(**{"extender": NO_EXTENDER, **options})
        key = wanted.model_dump_json()
        if key not in self._started:
            folder = self._folder / f"sandbox-{len(self._started)}"
            self._started[key], _ = lifecycle.up(wanted, folder)
            self._stack.callback(lifecycle.down, folder)
        return self._started[key]


@pytest.fixture(scope="session")
def sandbox_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxFactory]:
    """Give what starts sandboxes with options of your own."""
    with ExitStack() as stack:
        yield SandboxFactory(tmp_path_factory.mktemp("sandboxes"), stack)


@pytest.fixture(scope="session")
def sandbox(sandbox_factory: SandboxFactory) -> Sandbox:
    """Give a running sandbox with nodes of the mixed fleet and a meter; `reset` empties it."""
    return sandbox_factory(nodes=SANDBOX_NODES)


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """Give the folder of development data beside the checkout."""
    return components.SHARED
