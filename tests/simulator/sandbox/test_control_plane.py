"""What becomes of a control plane whose programs misbehave as the real ones will not on demand."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from energy.errors import UnavailableError
from simulator.sandbox import kwok_cluster
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.kwokctl_configuration import PROGRAMS
from simulator.sandbox.toolchain import Toolchain


@pytest.fixture
def idle_toolchain(tmp_path: Path) -> Toolchain:
    """Give programs that end at once and say nothing."""
    programs = tmp_path / "toolchain" / "bin"
    programs.mkdir(parents=True)
    for name in (*PROGRAMS, "kubectl", "kwokctl"):
        (programs / name).write_text("#!/bin/sh\nexit 0\n")
        (programs / name).chmod(0o755)
    return Toolchain(folder=programs.parent)


def test_component_that_never_wrote_a_log_said_nothing(
    idle_toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is one line, and the folder without logs goes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    plane = ControlPlane(idle_toolchain)

    with pytest.raises(UnavailableError, match="etcd ended: it said nothing"):
        plane.__enter__()

    assert [path.name for path in tmp_path.iterdir()] == ["toolchain"]


def test_kubectl_that_hangs_is_given_up(
    idle_toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that accepts and never answers does not hold its caller for ever."""
    kubectl = idle_toolchain.program("kubectl")
    kubectl.write_text("#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setattr(kwok_cluster, "KUBECTL_SECONDS_MAX", 0.2)

    with pytest.raises(UnavailableError, match=r"kubectl get nodes: not done after 0\.2 s"):
        ControlPlane(idle_toolchain).kubectl("get", "nodes")
