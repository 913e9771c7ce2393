"""The manifests of deploy/manifests as kustomize renders them, and installed for a test."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import repository
import yaml
from scripted_api import write_kubeconfig

from energy.errors import UnavailableError
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.ports import LOOPBACK, free_ports

FOLDER: Final = repository.ROOT / "deploy/manifests"
ACCOUNT, OBSERVE, SCHEDULER = (FOLDER / name for name in ("account", "observe", "scheduler"))
TIERS, TIERS_SCHEDULER = FOLDER / "tiers", FOLDER / "tiers-scheduler"
DEFINITIONS: Final = repository.ROOT / "helm/negawatt-crds/templates"
NAMESPACE: Final = "negawatt-system"
TOKEN: Final = {"token": "0123456789abcdef0123456789abcdef"}
WAIT_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1


def rendered(plane: ControlPlane, folder: Path) -> list[dict[str, Any]]:
    """Return what `kubectl apply -k FOLDER` would apply."""
    documents = yaml.safe_load_all(plane.kubectl("kustomize", str(folder)))
    return [document for document in documents if document]


def only(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the one object of a kind."""
    (found,) = (document for document in documents if document["kind"] == kind)
    return found


def container(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the Deployment's one container."""
    (found,) = only(documents, "Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def told(documents: list[dict[str, Any]]) -> dict[str, str]:
    """Return the container's environment, without what the pod knows of itself."""
    return {each["name"]: each["value"] for each in container(documents)["env"] if "value" in each}


@contextmanager
def installed(plane: ControlPlane, *folders: Path) -> Iterator[None]:
    """Install as the how-to pages say, and leave nothing behind.

    A node of KWOK's takes the pods, so that everything but the containers is real.
    """
    plane.kubectl("apply", "-f", str(DEFINITIONS))
    plane.kubectl("apply", "-k", str(ACCOUNT))
    try:
        secret = ("create", "secret", "generic", "negawatt-token", f"--namespace={NAMESPACE}")
        plane.kubectl(*secret, f"--from-literal=token={TOKEN['token']}")
        plane.kubectl("create", "-f", "-", manifest=fake_node("manifests-node"))
        for folder in folders:
            plane.kubectl("apply", "-k", str(folder))
        yield
    finally:
        plane.kubectl("delete", "-f", str(DEFINITIONS), "--ignore-not-found")
        for folder in (*folders, ACCOUNT):
            plane.kubectl("delete", "-k", str(folder), "--ignore-not-found", "--wait=false")
        gone = ("delete", "pods", "--all", f"--namespace={NAMESPACE}", "--force")
        plane.kubectl(*gone, "--grace-period=0", "--ignore-not-found")
        plane.kubectl("delete", "node", "manifests-node", "--ignore-not-found")
        plane.kubectl("wait", "--for=delete", f"namespace/{NAMESPACE}", "--timeout=120s")


def account_kubeconfig(plane: ControlPlane, account: str, folder: Path) -> Path:
    """Write a kubeconfig with a fresh token of a ServiceAccount."""
    token = plane.kubectl("create", "token", account, f"--namespace={NAMESPACE}").strip()
    return kubeconfig_with(plane, token, folder)


def kubeconfig_with(plane: ControlPlane, token: str, folder: Path) -> Path:
    """Write a kubeconfig with a token."""
    seen = json.loads(plane.kubectl("config", "view", "--raw", "--output=json"))
    cluster = seen["clusters"][0]["cluster"]
    file = folder / "kubeconfig"
    write_kubeconfig(file, cluster["server"], bearer=token)
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["clusters"][0]["cluster"] = cluster
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def extender_environ(
    plane: ControlPlane, folder: Path, kubeconfig: Path, state: Path
) -> dict[str, str]:
    """Return what a manifest tells its extender, listening on a free port of loopback only.

    The address is `http://127.0.0.1:` and the value of NEGAWATT_EXTENDER__PORT.
    """
    pod = only(rendered(plane, folder), "Deployment")["spec"]["template"]["spec"]
    (container,) = (each for each in pod["containers"] if each["name"] == "extender")
    token = state / "token"
    token.write_text(TOKEN["token"], encoding="utf-8")
    return {each["name"]: each["value"] for each in container["env"]} | {
        "NEGAWATT_EXTENDER__HOST": LOOPBACK,
        "NEGAWATT_EXTENDER__PORT": str(free_ports(1)[0]),
        "NEGAWATT_EXTENDER__TOKEN_FILE": str(token),
        "NEGAWATT_EXTENDER__KUBECONFIG": str(kubeconfig),
        "NEGAWATT_STATE": str(state / "state"),
    }


def until(condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds, and give what it gave; unavailable means not yet."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            if found := condition():
                return found
        except UnavailableError:
            pass
        assert time.monotonic() < deadline, "the control plane did not get there"
        time.sleep(POLL_SECONDS)
