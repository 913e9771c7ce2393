"""The chart of the definitions: installed, upgraded and removed with Helm, no profile is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import repository
import yaml
from power_profile_files import document_of

from energy.errors import UnavailableError
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.toolchain import Toolchain

CHART = repository.ROOT / "helm/negawatt-crds"
NAME = "powerprofiles.negawatt.dev"


def helm(toolchain: Toolchain, home: Path, *arguments: str) -> str:
    """Run Helm with its state in `home`, and give what it printed."""
    environ = {f"HELM_{kind}_HOME": str(home / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    answer = subprocess.run(
        [str(toolchain.program("helm")), *arguments],
        env={"HOME": str(home), "PATH": os.defpath, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def definitions() -> list[dict]:
    """Return the definitions as the files of the chart hold them."""
    files = sorted((CHART / "templates").glob("*.yaml"))
    return [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]


def test_the_files_are_what_helm_renders(toolchain: Toolchain, tmp_path: Path) -> None:
    """So that `kubectl apply -f helm/negawatt-crds/templates` does the same."""
    rendered = yaml.safe_load_all(helm(toolchain, tmp_path, "template", "any", str(CHART)))
    assert [one for one in rendered if one] == definitions()


def test_helm_finds_no_fault(toolchain: Toolchain, tmp_path: Path) -> None:
    """Warnings count."""
    assert "0 chart(s) failed" in helm(toolchain, tmp_path, "lint", "--strict", str(CHART))


def test_every_definition_is_kept_when_the_chart_goes() -> None:
    """Deleting a definition deletes all objects of it."""
    assert definitions()
    for definition in definitions():
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_chart_has_the_version_of_the_project() -> None:
    """They are released together."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == chart["version"] == repository.project()["project"]["version"]


@pytest.fixture
def without_definition(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give a control plane without the definition, and leave it so."""
    control_plane.kubectl("delete", "crd", NAME, "--ignore-not-found")
    yield control_plane
    control_plane.kubectl("delete", "crd", NAME, "--ignore-not-found")


def test_uninstalling_leaves_the_profiles(
    without_definition: ControlPlane, toolchain: Toolchain, tmp_path: Path
) -> None:
    """What an operator measured outlives the product; installing again takes it over."""
    plane = without_definition
    connection = (f"--kubeconfig={plane.kubeconfig}", "--namespace=default")
    install = ("upgrade", "--install", "definitions", str(CHART), *connection)
    helm(toolchain, tmp_path, *install)
    plane.kubectl("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=60s")
    profile = document_of("kept", {"rack": "7"}, idle_watts=50, peak_watts=150)
    plane.kubectl("create", "-f", "-", manifest=profile)

    helm(toolchain, tmp_path, "uninstall", "definitions", *connection)
    assert plane.kubectl("get", "pp", "kept", "--output=name")

    helm(toolchain, tmp_path, *install)
    helm(toolchain, tmp_path, *install)
    assert plane.kubectl("get", "pp", "kept", "--output=name")
    helm(toolchain, tmp_path, "uninstall", "definitions", *connection)


def test_an_upgrade_brings_a_new_schema(
    without_definition: ControlPlane, toolchain: Toolchain, tmp_path: Path
) -> None:
    """Which Helm does not do for what lies in crds/."""
    plane = without_definition
    older = tmp_path / "chart"
    subprocess.run(["cp", "-r", str(CHART), str(older)], check=True)
    definition = definitions()[0]
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["shutdown_joules"]
    (older / "templates/powerprofile.yaml").write_text(yaml.safe_dump(definition))
    connection = (f"--kubeconfig={plane.kubeconfig}", "--namespace=default")
    profile = document_of("new", {"a": "b"}, idle_watts=5, peak_watts=9, shutdown_joules=3)
    create = ("create", "--dry-run=server", "--validate=strict", "-f", "-")

    helm(toolchain, tmp_path, "install", "definitions", str(older), *connection)
    plane.kubectl("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=60s")
    with pytest.raises(UnavailableError, match="shutdown_joules"):
        plane.kubectl(*create, manifest=profile)

    helm(toolchain, tmp_path, "upgrade", "definitions", str(CHART), *connection)
    said = ""
    for _ in range(100):  # the server takes a moment to serve a changed schema
        try:
            said = plane.kubectl(*create, manifest=profile)
            break
        except UnavailableError:
            continue
    assert "new created" in said
    helm(toolchain, tmp_path, "uninstall", "definitions", *connection)
