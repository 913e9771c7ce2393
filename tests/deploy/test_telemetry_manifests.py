"""The bridge's manifests: settings that it knows, a container that is locked down, no rights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import manifests
import pytest
import repository
import yaml
from manifests import container, only, told

from telemetry.bridge.settings import PREFIX, read_settings
from telemetry.stream.settings import open_stream

FOLDER = manifests.FOLDER / "telemetry"


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    """Give everything that the kustomization names."""
    named = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))["resources"]
    assert {*named, "kustomization.yaml"} == {file.name for file in FOLDER.iterdir()}
    return [
        document for name in named for document in yaml.safe_load_all((FOLDER / name).read_text())
    ]


def test_every_setting_is_one_that_the_bridge_knows(
    documents: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It would refuse to start with any other; what it keeps goes onto the volume."""
    for name, value in told(documents).items():
        assert name.startswith(PREFIX)
        monkeypatch.setenv(name, value)
    settings = read_settings()
    (port,) = container(documents)["ports"]
    (service,) = only(documents, "Service")["spec"]["ports"]
    assert settings.port == port["containerPort"] == service["port"]
    open_stream(settings)
    settings.bridge_core()
    mounts = {each["name"]: each["mountPath"] for each in container(documents)["volumeMounts"]}
    assert str(settings.state_file).startswith(f"{mounts['state']}/")
    assert str(settings.token_file).startswith(f"{mounts['token']}/")


def test_it_has_no_rights_and_little_room(documents: list[dict[str, Any]]) -> None:
    """Nothing here speaks to the API server."""
    kinds = sorted(document["kind"] for document in documents)
    assert kinds == ["Deployment", "NetworkPolicy", "PersistentVolumeClaim", "Service"]
    spec = only(documents, "Deployment")["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec
    assert spec["securityContext"]["runAsNonRoot"] is True
    found = container(documents)
    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert found["image"] == f"negawatt:{repository.project()['project']['version']}"
    for probe, path in {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}.items():
        assert found[probe]["httpGet"] == {"path": path, "port": "http"}
