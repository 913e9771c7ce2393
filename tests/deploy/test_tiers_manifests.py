"""The tiers controller's manifests: what its account may change of a node, and that it suffices."""

from __future__ import annotations

import json
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import manifests
import pytest
from kubernetes.client import CoreV1Api
from manifests import NAMESPACE, TIERS, TIERS_SCHEDULER, TOKEN, only, told, until
from programs import answer, running

from cluster.kube.client import KubeClient, connect
from cluster.kube.errors import KubeError, KubeRequest, NotFoundError
from cluster.kube.node_labels import FIELD_MANAGER, NodeLabels
from cluster.kube.settings import KubeSettings
from cluster.scheduling.profile import ENERGY_TIER_LABEL as LABEL
from energy.errors import UnavailableError
from extender.tiers.settings import (
    LEASE_NAME,
    PREFIX,
)
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.ports import LOOPBACK, free_ports

pytestmark = [pytest.mark.kube, pytest.mark.slow]

USER = f"system:serviceaccount:{NAMESPACE}:negawatt-tiers"
HERE = f"--namespace={NAMESPACE}"
BY_POLICY = (
    r"ValidatingAdmissionPolicy 'negawatt-tiers' with binding 'negawatt-tiers' denied request"
)
MERGE = "application/merge-patch+json"
MASTER = {"Impersonate-Group": "system:masters"}
FOREIGN: dict[str, Any] = {"metadata": {"labels": {"new": "1"}}}
OWNER = {"apiVersion": "v1", "kind": "Node", "name": "x", "uid": "y"}
WRITTEN = {"apiVersion": "v1", "fieldsType": "FieldsV1", "time": "2026-01-02T03:04:05Z"}
EVIL = {
    **WRITTEN,
    "manager": "evil",
    "operation": "Apply",
    "fieldsV1": {"f:spec": {"f:taints": {}}},
}
GRASPING = {**EVIL, "manager": FIELD_MANAGER}
# What the policy says, and the changes of which it says so.
REFUSED: dict[str, list[dict[str, Any]]] = {
    "negawatt-tiers may change no other label": [
        FOREIGN,
        {"metadata": {"labels": {"theirs": "changed"}}},
        {"metadata": {"labels": {"theirs": None}}},
        {"metadata": {"labels": {LABEL: "3", "new": "1"}}},
        {"metadata": {"labels": None}},
    ],
    "an energy tier is one digit": [
        {"metadata": {"labels": {LABEL: value}}} for value in ("10", "x", "", "A", "3.0")
    ],
    "negawatt-tiers may change no annotation, finalizer or owner": [
        {"metadata": {"annotations": {"theirs": "changed"}}},
        {"metadata": {"annotations": {"new": "1"}}},
        {"metadata": {"annotations": None}},
        {"metadata": {"finalizers": ["negawatt.dev/x"]}},
        {"metadata": {"ownerReferences": [OWNER]}},
    ],
    "negawatt-tiers may change no spec or status": [
        {"spec": {"unschedulable": True}},
        {"spec": {"taints": None}},
        {"spec": {"taints": [{"key": "new", "effect": "NoExecute"}]}},
        {"spec": {"providerID": "x"}},
    ],
    "negawatt-tiers may change no name": [{"metadata": {"generateName": "evil-"}}],
    "negawatt-tiers may take no field of a node from its owner, nor give one": [
        {"metadata": {"managedFields": [{}]}},
        {"metadata": {"managedFields": [EVIL]}},
        {"metadata": {"managedFields": [GRASPING]}},
        {"metadata": {"managedFields": [{}], "labels": {LABEL: "3"}}},
    ],
}
MAY = [
    *((verb, "nodes", "") for verb in ("get", "list", "watch", "patch")),
    *((verb, "powerprofiles.negawatt.dev", "") for verb in ("list", "watch")),
    *((verb, "leases.coordination.k8s.io/negawatt-tiers", NAMESPACE) for verb in ("get", "update")),
]
MAY_NOT = [
    *((verb, "nodes", "") for verb in ("create", "update", "delete", "deletecollection")),
    *(
        (verb, f"leases.coordination.k8s.io/{name}", space)
        for verb in ("get", "update", "patch", "delete")
        for name, space in (("another", NAMESPACE), ("negawatt-tiers", "default"))
    ),
    *(("create", "leases.coordination.k8s.io", space) for space in (NAMESPACE, "kube-system")),
    ("delete", "leases.coordination.k8s.io/negawatt-tiers", NAMESPACE),
    *((verb, "pods", NAMESPACE) for verb in ("get", "list", "watch", "create", "patch", "delete")),
    *((verb, "secrets", NAMESPACE) for verb in ("get", "list", "watch")),
    ("patch", "powerprofiles.negawatt.dev", ""),
    ("patch", "validatingadmissionpolicies.admissionregistration.k8s.io", ""),
    ("*", "*", ""),
]


@pytest.fixture(scope="module")
def documents(control_plane: ControlPlane) -> list[dict[str, Any]]:
    """Give what the folder renders to."""
    return manifests.rendered(control_plane, TIERS)


@pytest.fixture(scope="module")
def installation(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give a control plane on which it is installed."""
    with manifests.installed(control_plane, TIERS):
        yield control_plane


@pytest.fixture(scope="module")
def account(installation: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a kubeconfig of the controller's account."""
    folder = tmp_path_factory.mktemp("tiers-account")
    return manifests.account_kubeconfig(installation, "negawatt-tiers", folder)


@pytest.fixture(scope="module")
def client(account: Path) -> Iterator[KubeClient]:
    """Give a client of the controller's account."""
    connected = connect(KubeSettings(kubeconfig=account), environment={})
    yield connected
    connected.close()


@pytest.fixture
def node(installation: ControlPlane) -> Iterator[str]:
    """Give the name of a node with a label, an annotation and a taint."""
    name = f"tiers-{uuid.uuid4().hex[:8]}"
    manifest = fake_node(name, labels={"theirs": "kept"}, annotations={"theirs": "kept"})
    manifest["spec"] = {"taints": [{"key": "theirs", "effect": "NoSchedule"}]}
    installation.kubectl("create", "-f", "-", manifest=manifest)
    yield name
    installation.kubectl("delete", "node", name, "--ignore-not-found")


def patched(client: KubeClient, node: str, change: dict[str, Any]) -> str:
    """Try to merge a change into a node, without keeping it; return why not, "" if it went."""
    request = KubeRequest(server=client.server, verb="patch", resource="nodes", name=node)
    given = {"name": node, "body": change, "_content_type": MERGE, "dry_run": "All"}
    try:
        client.ask(CoreV1Api(client.api).patch_node, request, given)
    except KubeError as error:
        return str(error)
    return ""


@pytest.fixture
def powerful(installation: ControlPlane, client: KubeClient, node: str) -> Iterator[None]:
    """Give the account an administrator's rights: what is refused, the policy refuses."""
    name = f"tiers-{uuid.uuid4().hex[:8]}"
    subject = f"--serviceaccount={NAMESPACE}:negawatt-tiers"
    role = "--clusterrole=cluster-admin"
    installation.kubectl("create", "clusterrolebinding", name, role, subject)
    everything = ("auth", "can-i", "*", "*", f"--as={USER}")
    try:
        until(lambda: installation.kubectl(*everything).strip() == "yes")
        until(lambda: "denied request" in patched(client, node, FOREIGN))
        yield
    finally:
        installation.kubectl("delete", "clusterrolebinding", name)


def test_the_account_sets_and_removes_the_label(
    client: KubeClient, installation: ControlPlane, node: str
) -> None:
    """With its own rights, by server-side apply, under the policy; nothing is left."""
    labels = NodeLabels(client)
    for tier in (0, 9, 4):
        assert labels.set(node, tier).value == str(tier)
    assert labels.set(node, 5, dry_run=True).value == "5"
    assert labels.remove(node, dry_run=True).value is None
    assert labels.remove(node).value is None
    text = installation.kubectl("get", "node", node, "--output=json", "--show-managed-fields")
    assert FIELD_MANAGER not in text


def test_the_account_takes_another_s_label_over_and_away(
    client: KubeClient, installation: ControlPlane, node: str
) -> None:
    """Even one that is no tier, if it is told to."""
    labels = NodeLabels(client)
    for _ in range(2):
        installation.kubectl("label", "node", node, f"{LABEL}=somebodys-own")
        assert labels.remove(node, force=True).value is None
    installation.kubectl("label", "node", node, f"{LABEL}=somebodys-own")
    assert labels.set(node, 3, force=True).value == "3"


def test_what_another_applied_beside_the_label_stays_his(
    client: KubeClient, installation: ControlPlane, node: str
) -> None:
    """Taking the label over takes nothing else: ownership is kept to the last field."""
    labels, manager = NodeLabels(client), "--field-manager=gitops"
    wanted = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node, "labels": {LABEL: "7", "his": "1"}},
        "spec": {"taints": [{"key": "theirs", "effect": "NoSchedule"}]},
    }
    apply = ("apply", "--server-side", manager, "--force-conflicts", "-f", "-")
    installation.kubectl(*apply, manifest=wanted)
    assert labels.set(node, 3, force=True).foreign_owners == ()
    assert ownership(installation, node)["gitops"] == {
        "f:metadata": {"f:labels": {"f:his": {}}},
        "f:spec": {"f:taints": {}},
    }
    installation.kubectl(*apply, manifest=wanted)
    assert labels.remove(node, force=True).value is None
    assert "f:his" in json.dumps(ownership(installation, node)["gitops"])


def test_a_node_of_which_no_owner_is_on_record_gets_its_label(
    client: KubeClient, installation: ControlPlane, node: str
) -> None:
    """The API server then writes one down for all that was there."""
    forget = {"metadata": {"managedFields": [{}]}}
    installation.kubectl("patch", "node", node, "--type=merge", f"--patch={json.dumps(forget)}")
    assert ownership(installation, node) == {}
    assert NodeLabels(client).set(node, 3).value == "3"
    assert ownership(installation, node).keys() == {"before-first-apply", FIELD_MANAGER}


def ownership(plane: ControlPlane, node: str) -> dict[str, Any]:
    """Return which fields of a node each manager owns."""
    text = plane.kubectl("get", "node", node, "--output=json", "--show-managed-fields")
    entries = json.loads(text)["metadata"].get("managedFields", [])
    return {each["manager"]: each["fieldsV1"] for each in entries}


def test_a_node_that_is_gone_is_told_as_such(
    client: KubeClient, installation: ControlPlane, node: str
) -> None:
    """Not as a right to make nodes that is missing."""
    labels = NodeLabels(client)
    uid = labels.read(node).uid
    installation.kubectl("delete", "node", node)
    with pytest.raises(NotFoundError):
        labels.set(node, 1, uid=uid)


@pytest.mark.usefixtures("powerful")
def test_the_policy_refuses_every_other_change(
    client: KubeClient, kubeconfig: Path, node: str
) -> None:
    """Though RBAC would allow it; each for its own reason, and in one line that names no rule."""
    for reason, changes in REFUSED.items():
        for change in changes:
            said = patched(client, node, change)
            assert re.search(f"{BY_POLICY}: {reason}", said), (change, said)
            assert "\n" not in said
            assert "rule" not in said
    # Anybody else may: the administrator, and a kubelet as far as this policy is concerned.
    for another in ({}, {"Impersonate-User": f"system:node:{node}", **MASTER}):
        administrator = connect(KubeSettings(kubeconfig=kubeconfig), environment={})
        for header, value in another.items():
            administrator.api.set_default_header(header, value)
        changes = [change for found in REFUSED.values() for change in found]
        assert [patched(administrator, node, change) for change in changes] == [""] * len(changes)
        administrator.close()


def test_the_policy_follows_the_account_into_another_namespace(
    installation: ControlPlane, tmp_path: Path, node: str
) -> None:
    """Whoever sets `namespace:` moves the account; what it may change stays the label."""
    space, overlay = f"tiers-{uuid.uuid4().hex[:8]}", tmp_path / "overlay"
    overlay.mkdir()
    shutil.copytree(TIERS, tmp_path / "tiers")
    text = f"namespace: {space}\nresources: [../tiers]\n"
    (overlay / "kustomization.yaml").write_text(text, encoding="utf-8")
    kinds = {"ServiceAccount", "ClusterRoleBinding", "ValidatingAdmissionPolicy"}
    found = [each for each in manifests.rendered(installation, overlay) if each["kind"] in kinds]
    assert only(found, "ServiceAccount")["metadata"]["namespace"] == space
    installation.kubectl("create", "namespace", space)
    try:
        items = {"kind": "List", "apiVersion": "v1", "items": found}
        installation.kubectl("apply", "-f", "-", manifest=items)
        as_it = f"--as=system:serviceaccount:{space}:negawatt-tiers"

        def label(pair: str) -> str:
            command = ("label", "node", node, pair, "--dry-run=server", as_it)
            return installation.kubectl(*command, f"--field-manager={FIELD_MANAGER}")

        until(lambda: label(f"{LABEL}=3"))
        with pytest.raises(UnavailableError, match=BY_POLICY):
            label("new=1")
    finally:
        installation.kubectl("apply", "-k", str(TIERS))
        installation.kubectl("delete", "namespace", space, "--wait=false")


@pytest.mark.usefixtures("powerful")
def test_the_policy_refuses_every_other_verb(
    account: Path, installation: ControlPlane, node: str
) -> None:
    """Nodes are neither made nor deleted, and subresources not touched."""
    status = ("--subresource=status", "--type=merge", '--patch={"status":{"phase":"Running"}}')
    commands: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (("create", "-f", "-"), {"manifest": fake_node(f"{node}-more")}),
        (("delete", "node", node), {}),
        (("patch", "node", node, *status), {}),
        (("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz"), {}),
    ]
    for command, given in commands:
        with pytest.raises(UnavailableError, match="may change nodes, and neither make nor delete"):
            installation.kubectl(*command, f"--kubeconfig={account}", **given)


def review(verb: str, what: str, namespace: str) -> dict[str, Any]:
    """Word the question that `kubectl auth can-i --as` asks."""
    resource, _, name = what.partition("/")
    resource, _, group = resource.partition(".")
    attributes = {"verb": verb, "group": group or ("*" if what == "*" else ""), "name": name}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": USER,
            "groups": [
                "system:authenticated",
                "system:serviceaccounts",
                f"system:serviceaccounts:{NAMESPACE}",
            ],
            "resourceAttributes": {**attributes, "resource": resource, "namespace": namespace},
        },
    }


def test_the_account_may_do_what_it_needs_and_no_more(installation: ControlPlane) -> None:
    """As far as RBAC goes, which the policy narrows further."""
    asked = [*MAY, *MAY_NOT]
    reviews = {"apiVersion": "v1", "kind": "List", "items": [review(*one) for one in asked]}
    output = "--output=jsonpath={.status.allowed} "
    answers = installation.kubectl("create", "-f", "-", output, manifest=reviews).split()
    assert [one for one, said in zip(asked, answers, strict=True) if said == "true"] == MAY


def test_no_right_is_granted_beside_those(documents: list[dict[str, Any]]) -> None:
    """Every verb of the roles is one that the controller uses, as listed above."""
    granted = {
        (verb, f"{resource}.{group}" if group else resource)
        for document in documents
        if document["kind"] in {"Role", "ClusterRole"}
        for rule in document["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {(verb, what.partition("/")[0]) for verb, what, _ in MAY}


def test_the_install_comes_up(installation: ControlPlane) -> None:
    """Two replicas under the strictest pod security level, one of which may be taken away."""
    rollout = ("rollout", "status", "deployment/negawatt-tiers", HERE, "--timeout=120s")
    installation.kubectl(*rollout)
    expected = ("get", "pdb", "negawatt-tiers", HERE, "--output=jsonpath={.status.expectedPods}")
    assert until(lambda: installation.kubectl(*expected)) == "2"


@pytest.mark.parametrize("folder", [TIERS, TIERS_SCHEDULER], ids=lambda folder: folder.name)
def test_the_api_server_takes_every_field(installation: ControlPlane, folder: Path) -> None:
    """A misspelt field is an error and no warning."""
    found = manifests.rendered(installation, folder)
    apply = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
    items = {"kind": "List", "apiVersion": "v1", "items": found}
    assert installation.kubectl(*apply, manifest=items).count("server dry run") == len(found)


def test_the_policy_s_types_are_right(installation: ControlPlane) -> None:
    """The control plane checks expressions against the schema of nodes."""

    def checked() -> dict[str, Any]:
        get = ("get", "validatingadmissionpolicy", "negawatt-tiers", "--output=json")
        return json.loads(installation.kubectl(*get)).get("status", {})

    assert until(checked)["typeChecking"] == {}


def test_the_controller_labels_nodes_with_its_own_account(
    installation: ControlPlane, account: Path, documents: list[dict[str, Any]], tmp_path: Path
) -> None:
    """As the manifest runs it, but for the mode: elected by the lease, and refused nothing."""
    name = f"tiers-{uuid.uuid4().hex[:8]}"
    kind = {"node.kubernetes.io/instance-type": "m5.2xlarge"}
    token, log, port = tmp_path / "token", tmp_path / "tiers.log", free_ports(1)[0]
    token.write_text(TOKEN["token"], encoding="utf-8")
    environ = told(documents) | {
        f"{PREFIX}MODE": "act",
        f"{PREFIX}HOST": LOOPBACK,
        f"{PREFIX}PORT": str(port),
        f"{PREFIX}TOKEN_FILE": str(token),
        f"{PREFIX}KUBECONFIG": str(account),
    }
    label = (
        "get",
        "node",
        name,
        f"--output=jsonpath={{.metadata.labels.{LABEL.replace('.', chr(92) + '.')}}}",
    )
    installation.kubectl("create", "-f", "-", manifest=fake_node(name, labels=kind))
    try:
        with running([sys.executable, "-m", "extender.tiers"], log, **environ):
            assert until(lambda: installation.kubectl(*label)).isdigit()
            assert until(lambda: answer(f"http://{LOOPBACK}:{port}/readyz")).startswith("ok")
            lease = ("get", "lease", LEASE_NAME, HERE, "--output=jsonpath={.spec.holderIdentity}")
            assert installation.kubectl(*lease)
        assert "forbidden" not in log.read_text(encoding="utf-8").lower()
    finally:
        installation.kubectl("delete", "node", name)
