"""What kwokctl is told: every program by its path, every port, loopback only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from energy.errors import InputError, UnavailableError
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.kwokctl_configuration import (
    ControlPlaneOptions,
    kwokctl_configuration,
    metrics_for_kwok,
)
from simulator.sandbox.toolchain import Toolchain

PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kwok",
    "kwokctl",
    "metrics-server",
)


@pytest.fixture
def made_up(tmp_path: Path) -> Toolchain:
    """Give a toolchain of empty files."""
    shared = ("kwok/metrics-resource", "kwok/usage-from-annotation", "metrics-server/kustomization")
    files = [f"bin/{name}" for name in PROGRAMS] + [f"share/{name}.yaml" for name in shared]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    return Toolchain(folder=tmp_path)


FULL = ControlPlaneOptions(metrics_server=True, prometheus=Path("/usr/bin/prometheus"))


@pytest.mark.parametrize("options", [ControlPlaneOptions(), FULL])
def test_every_program_is_named_so_that_none_is_downloaded(
    made_up: Toolchain, tmp_path: Path, options: ControlPlaneOptions
) -> None:
    """What it is not given, kwokctl fetches from the internet."""
    ports = {name: 20000 + index for index, name in enumerate(options.ports())}
    text = kwokctl_configuration(options, toolchain=made_up, ports=ports, cache_folder=tmp_path)
    told = json.loads(text.split("\n---\n")[0])["options"]

    programs = {name: path for name, path in told.items() if name.endswith("Binary")}
    assert set(programs.values()) == {
        str(path)
        for name, path in options.programs(made_up).items()
        if name not in {"kwok-controller", "kwokctl"}
    }
    assert told.items() >= {"bindAddress": "127.0.0.1", "runtime": "binary", **ports}.items()


def test_fake_usage_is_served_only_where_something_reads_it(
    made_up: Toolchain, tmp_path: Path
) -> None:
    """KWOK's own documents follow the first one with metrics, and only then."""

    def documents(options: ControlPlaneOptions) -> list[str]:
        text = kwokctl_configuration(options, toolchain=made_up, ports={}, cache_folder=tmp_path)
        return text.split("\n---\n")[1:]

    assert documents(ControlPlaneOptions()) == []
    assert documents(ControlPlaneOptions(metrics_server=True)) == [
        "# share/kwok/metrics-resource.yaml\n",
        "# share/kwok/usage-from-annotation.yaml\n",
    ]
    metrics, usage = documents(ControlPlaneOptions(metrics_server=True, usage_ratio=0.125))
    assert metrics == "# share/kwok/metrics-resource.yaml\n"
    assert "* 125 / 1000" in usage


def test_kwok_is_told_itself_what_kwokctl_keeps_back(made_up: Toolchain) -> None:
    """Without a metrics-server kwokctl drops the documents on metrics, wherever they stand."""
    alone = metrics_for_kwok(ControlPlaneOptions(usage_ratio=1), made_up)

    assert alone.startswith("# share/kwok/metrics-resource.yaml\n")
    assert "* 1000 / 1000" in alone
    handed_on = ControlPlaneOptions(usage_ratio=1, metrics_server=True)
    assert metrics_for_kwok(handed_on, made_up) == ""
    assert metrics_for_kwok(ControlPlaneOptions(), made_up) == ""


def test_absent_program_is_named_with_the_way_to_get_it(made_up: Toolchain) -> None:
    """A half-built toolchain stops before anything starts."""
    made_up.program("kube-scheduler").unlink()
    with pytest.raises(UnavailableError, match=r"has no kube-scheduler; run `make toolchain`"):
        ControlPlaneOptions().programs(made_up)


def test_absent_scheduler_configuration_is_bad_input(made_up: Toolchain, tmp_path: Path) -> None:
    """A wrong path is the user's to mend."""
    options = ControlPlaneOptions(scheduler_configuration=tmp_path / "none.yaml")
    with pytest.raises(InputError, match="no such scheduler configuration"):
        options.programs(made_up)


def test_fake_node_has_a_loopback_address_whatever_else_is_asked() -> None:
    """metrics-server sends requests to that address: it must never be another machine's."""
    node = fake_node("n", cpu="4", labels={"type": "mine"}, annotations={"a": "b"})

    assert node["status"]["addresses"] == [{"type": "InternalIP", "address": "127.0.0.1"}]
    assert node["metadata"]["labels"] == {"kubernetes.io/hostname": "n", "type": "mine"}
    assert node["metadata"]["annotations"].keys() >= {"kwok.x-k8s.io/node", "a"}
    assert node["status"]["allocatable"] == {"cpu": "4", "memory": "32Gi", "pods": "110"}
