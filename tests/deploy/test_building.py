"""The builder's own behaviour, on components small enough to build in a test."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import components
import pytest
from toolchain.builders import Workbench, _check_jars, build
from toolchain.commands import BuildError, Progress, run, spoken
from toolchain.prerequisites import Tools
from toolchain.recipe import Component, Kind
from toolchain.store import Store

FOLDER = components.CHECKOUT / "deploy/local"
NEEDS_NOTHING = "metrics-server-manifests,kafka-configuration"


def toolchain(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run the builder as `make toolchain` does."""
    return subprocess.run(
        [sys.executable, "-m", "toolchain", *arguments],
        cwd=FOLDER,
        env={"PATH": os.environ["PATH"], "NEGAWATT_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_second_run_finds_everything_there(tmp_path: Path) -> None:
    """What is built is not built again, and `current` points at it."""
    first = toolchain("--only", NEEDS_NOTHING, cache=tmp_path)
    second = toolchain("--only", NEEDS_NOTHING, cache=tmp_path)

    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.count("built in") == 2
    assert second.stdout.count("is there") == 2
    assert "built in" not in second.stdout

    manifest = tmp_path / "toolchain/current/share/metrics-server/kubernetes/metrics-server.yaml"

    assert manifest.read_bytes() == (FOLDER / "kubernetes/metrics-server.yaml").read_bytes()


def test_unknown_component_is_a_usage_error(tmp_path: Path) -> None:
    """The line names the components that there are; nothing is written."""
    answer = toolchain("--only", "kubelet", cache=tmp_path / "cache")

    assert answer.returncode == 2
    assert answer.stderr.startswith("toolchain: no component kubelet; there are kube-apiserver")
    assert answer.stderr.count("\n") == 1
    assert not (tmp_path / "cache").exists()


def workbench(folder: Path, go: Path) -> Workbench:
    """Give a workbench in a folder of the test's own whose Go is the program `go`."""
    return Workbench(
        recipe=FOLDER,
        store=Store(folder=folder),
        tools=Tools(go=str(go)),
        environ={"PATH": os.environ["PATH"]},
    )


def test_module_with_another_checksum_is_not_built(tmp_path: Path) -> None:
    """A module that changed under its version stops the build before anything is compiled."""
    fake = tmp_path / "go"
    fake.write_text('#!/bin/sh\necho \'{"Sum": "h1:other", "Dir": "/nowhere"}\'\n')
    fake.chmod(0o755)
    component = Component(
        name="kwok",
        kind=Kind.GO_INSTALL,
        version="0.8.0",
        module="sigs.k8s.io/kwok",
        module_sum="h1:expected",
        package="sigs.k8s.io/kwok/cmd/kwok",
    )
    with pytest.raises(BuildError, match=r"h1:other.*h1:expected"):
        build(component, workbench(tmp_path, fake), Progress.of("kwok"))

    assert not (tmp_path / "bin").exists()


@pytest.mark.parametrize("change", ["none", "altered", "missing", "added"])
def test_jars_must_be_those_of_the_list(tmp_path: Path, change: str) -> None:
    """An altered, a missing and an unlisted jar are each named."""
    jars = tmp_path / "jars"
    jars.mkdir()
    (jars / "broker.jar").write_bytes(b"code")
    sums = tmp_path / "jars.sha256"
    sums.write_text(f"{hashlib.sha256(b'code').hexdigest()}  broker.jar\n")
    if change == "altered":
        (jars / "broker.jar").write_bytes(b"other code")
    elif change == "missing":
        (jars / "broker.jar").unlink()
    elif change == "added":
        (jars / "extra.jar").touch()

    if change == "none":
        _check_jars(jars, sums)
    else:
        named = "extra" if change == "added" else "broker"
        with pytest.raises(BuildError, match=rf"^{named}\.jar: not as"):
            _check_jars(jars, sums)


def test_failed_command_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """What the compiler said last is in the message, and where the rest is."""
    log = tmp_path / "etcd.log"
    script = "for i in $(seq 100); do echo line $i; done; exit 3"
    with pytest.raises(BuildError, match="ended with 3") as caught:
        run(
            ["/bin/sh", "-c", script],
            folder=tmp_path,
            environ={},
            log=log,
            progress=Progress.of("etcd"),
        )

    assert str(caught.value).endswith("line 99\nline 100")
    assert "line 70\n" not in str(caught.value)
    assert str(log) in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s")]
)
def test_durations_are_spoken(seconds: float, expected: str) -> None:
    """Minutes appear when there are any."""
    assert spoken(seconds) == expected
