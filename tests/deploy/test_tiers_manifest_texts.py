"""The tiers controller's manifests as texts: settings, limits, names, and the page on them."""

from __future__ import annotations

import re
from typing import Any

import manifests
import pytest
import repository
from manifests import NAMESPACE, TIERS, TIERS_SCHEDULER, container, only, told

from cluster.scheduling.profile import ENERGY_TIER_LABEL as LABEL
from extender.tiers.settings import (
    LEASE_NAME,
    LEASE_NAMESPACE,
    PREFIX,
    TiersSettings,
    read_settings,
)
from simulator.sandbox.control_plane import ControlPlane

pytestmark = [pytest.mark.kube, pytest.mark.slow]

PAGE = repository.ROOT / "docs/how-to/run-energy-tiers.md"
USER = f"system:serviceaccount:{NAMESPACE}:negawatt-tiers"


@pytest.fixture(scope="module")
def documents(control_plane: ControlPlane) -> list[dict[str, Any]]:
    """Give what the folder renders to."""
    return manifests.rendered(control_plane, TIERS)


def test_every_setting_is_one_that_the_controller_knows(documents: list[dict[str, Any]]) -> None:
    """It would refuse to start with any other; it writes nothing until told."""
    environ = {**told(documents), f"{PREFIX}TOKEN_FILE": __file__}
    assert all(name.startswith(PREFIX) for name in environ)
    settings = read_settings(environ=environ)
    assert settings.mode == "observe"
    assert settings.leader_elect
    (port,) = container(documents)["ports"]
    assert settings.port == port["containerPort"]
    assert (LEASE_NAMESPACE, LEASE_NAME) == (NAMESPACE, "negawatt-tiers")
    # The lease is shipped and follows the account into another namespace.
    lease = only(documents, "Lease")
    assert (lease["metadata"]["name"], "spec" in lease) == (LEASE_NAME, False)
    (told_by_pod,) = (each for each in container(documents)["env"] if "value" not in each)
    assert told_by_pod == {
        "name": f"{PREFIX}LEASE_NAMESPACE",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}},
    }


def test_the_container_is_locked_down_and_sized(documents: list[dict[str, Any]]) -> None:
    """As the extender's are."""
    spec = only(documents, "Deployment")["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    found = container(documents)
    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= found["resources"]["requests"].keys()
    assert "memory" in found["resources"]["limits"]
    assert found["image"] == f"negawatt:{repository.project()['project']['version']}"
    for probe, path in {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}.items():
        assert found[probe]["httpGet"] == {"path": path, "port": "http"}


def test_the_scheduler_for_tiers_is_the_other_one_without_the_extender(
    control_plane: ControlPlane,
) -> None:
    """The same account, lease and names; nothing of the extender is left, nor of its Secrets."""
    found = manifests.rendered(control_plane, TIERS_SCHEDULER)
    pod = only(found, "Deployment")["spec"]["template"]["spec"]
    assert [each["name"] for each in pod["containers"]] == ["kube-scheduler"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes.keys() == {"configuration", "scheduler-account"}
    assert volumes["configuration"] == {
        "name": "configuration",
        "configMap": {"name": "negawatt-tiers-profile"},
    }
    (ingress,) = only(found, "NetworkPolicy")["spec"]["ingress"]
    assert ingress["ports"] == [{"protocol": "TCP", "port": "https"}]
    with_extender = manifests.rendered(control_plane, manifests.SCHEDULER)
    gone = {"ConfigMap", "Secret", "Service"}
    assert {name_of(each) for each in found} == {
        name_of(each) for each in with_extender if each["kind"] not in gone
    }


def name_of(document: dict[str, Any]) -> tuple[str, str]:
    """Return an object's kind and name."""
    return document["kind"], document["metadata"]["name"]


def test_the_page_names_what_exists() -> None:
    """Folders and files, settings, the label, and the accounts."""
    text = PAGE.read_text(encoding="utf-8")
    paths = re.findall(r"\b((?:deploy|helm)/[\w./-]*[\w-])", text)
    assert paths
    assert [path for path in paths if not (repository.ROOT / path).exists()] == []
    named = {name.lower() for name in re.findall(rf"{PREFIX}(\w+)", text)}
    assert named
    assert named <= TiersSettings.model_fields.keys()
    assert set(re.findall(r"[\w.-]+/energy-tier", text)) == {LABEL}
    assert set(re.findall(r"system:serviceaccount:[\w:-]+", text)) == {USER}
    assert "negawatt-tiers-profile" in (TIERS_SCHEDULER / "kustomization.yaml").read_text("utf-8")
