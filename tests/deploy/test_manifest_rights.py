"""What the manifests' accounts may do on a real API server, and that it is enough."""

from __future__ import annotations

import base64
import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import manifests
import pytest
import scheduler_files
import yaml
from manifests import NAMESPACE, OBSERVE, SCHEDULER, until
from programs import answer, running

from energy.errors import UnavailableError
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.ports import free_ports

pytestmark = [pytest.mark.kube, pytest.mark.slow]

READER, SCHEDULING = "negawatt-extender", "negawatt-scheduler"
HERE = f"--namespace={NAMESPACE}"
WATCHING, WRITING = ("get", "list", "watch"), ("create", "update", "patch", "delete")
# verb, then group/resource, resource, or resource/subresource; `=name` asks for one object.
MAY = {
    READER: [
        *((verb, "nodes") for verb in WATCHING),
        *((verb, "pods") for verb in WATCHING),
        *((verb, "namespaces") for verb in WATCHING),
        *((verb, "negawatt.dev:powerprofiles") for verb in WATCHING),
        *((verb, "metrics.k8s.io:nodes") for verb in ("get", "list")),
        *((verb, "metrics.k8s.io:pods") for verb in ("get", "list")),
    ],
    SCHEDULING: [
        ("create", "pods/binding"),
        ("patch", "pods/status"),
        ("watch", "persistentvolumes"),
        ("create", "coordination.k8s.io:leases"),
        ("update", "coordination.k8s.io:leases=negawatt-scheduler"),
    ],
}
MAY_NOT = {
    READER: [
        *((verb, "secrets") for verb in (*WATCHING, *WRITING)),
        ("get", "configmaps"),
        *((verb, "pods") for verb in WRITING),
        ("create", "pods/binding"),
        ("create", "pods/eviction"),
        ("create", "pods/exec"),
        ("get", "pods/log"),
        *((verb, "nodes") for verb in WRITING),
        ("patch", "nodes/status"),
        ("get", "nodes/proxy"),
        *((verb, "namespaces") for verb in WRITING),
        *((verb, "negawatt.dev:powerprofiles") for verb in WRITING),
        ("patch", "negawatt.dev:powerprofiles/status"),
        *((verb, "apiextensions.k8s.io:customresourcedefinitions") for verb in ("get", *WRITING)),
        ("create", "events"),
        ("create", "events.k8s.io:events"),
        ("create", "coordination.k8s.io:leases"),
        ("impersonate", "users"),
        ("create", "serviceaccounts/token"),
        ("bind", "rbac.authorization.k8s.io:clusterroles"),
        ("*", "*:*"),
    ],
    SCHEDULING: [
        ("get", "secrets"),
        ("create", "pods"),
        *((verb, "nodes") for verb in WRITING),
        *((verb, "apiextensions.k8s.io:customresourcedefinitions") for verb in WRITING),
        ("update", "coordination.k8s.io:leases=another"),
        ("create", "serviceaccounts/token"),
        ("*", "*:*"),
    ],
}


@pytest.fixture(scope="module")
def installation(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give a control plane on which both are installed."""
    with manifests.installed(control_plane, OBSERVE, SCHEDULER):
        yield control_plane


def review(account: str, verb: str, what: str) -> dict[str, Any]:
    """Word the question that `kubectl auth can-i --as` asks."""
    group, _, rest = what.rpartition(":")
    rest, _, name = rest.partition("=")
    resource, _, subresource = rest.partition("/")
    attributes = {"verb": verb, "group": group, "resource": resource, "namespace": NAMESPACE}
    attributes |= {"subresource": subresource, "name": name}
    groups = ["system:authenticated", "system:serviceaccounts"]
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{NAMESPACE}:{account}",
            "groups": [*groups, f"system:serviceaccounts:{NAMESPACE}"],
            "resourceAttributes": attributes,
        },
    }


@pytest.mark.parametrize("account", [READER, SCHEDULING])
def test_an_account_may_do_what_it_needs_and_no_more(
    installation: ControlPlane, account: str
) -> None:
    """The API server answers, in our namespace, where an account has most."""
    asked = [*MAY[account], *MAY_NOT[account]]
    reviews = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [review(account, *one) for one in asked],
    }
    output = "--output=jsonpath={.status.allowed} "
    answers = installation.kubectl("create", "-f", "-", output, manifest=reviews).split()

    allowed = [one for one, said in zip(asked, answers, strict=True) if said == "true"]
    assert allowed == MAY[account]


def test_the_extender_beside_the_scheduler_gets_the_reader_s_token(
    installation: ControlPlane, tmp_path: Path
) -> None:
    """The control plane fills the Secret; who holds it is the reader."""

    def token() -> str:
        secret = ("get", "secret", "negawatt-extender-account", HERE, "--output=json")
        data = json.loads(installation.kubectl(*secret)).get("data", {})
        return base64.b64decode(data.get("token", "")).decode()

    kubeconfig = manifests.kubeconfig_with(installation, until(token), tmp_path)
    whoami = ("auth", "whoami", f"--kubeconfig={kubeconfig}", "--output=json")
    said = json.loads(installation.kubectl(*whoami))
    assert said["status"]["userInfo"]["username"] == f"system:serviceaccount:{NAMESPACE}:{READER}"


def test_the_namespace_refuses_a_pod_that_is_not_locked_down(installation: ControlPlane) -> None:
    """So that our pods' admission proves something."""
    container = {"name": "c", "image": "none", "securityContext": {"privileged": True}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "privileged", "namespace": NAMESPACE},
        "spec": {"containers": [container]},
    }
    with pytest.raises(UnavailableError, match="violates PodSecurity"):
        installation.kubectl("create", "-f", "-", manifest=pod)


def place(plane: ControlPlane, scheduler: str) -> Iterator[str]:
    """Create two nodes and a pod for a scheduler; yield the pod's name; remove all."""
    name = f"rights-{uuid.uuid4().hex[:8]}"
    nodes = [fake_node(f"{name}-{n}", labels={"for": name}) for n in range(2)]
    container = {"name": "c", "image": "none", "resources": {"requests": {"cpu": "1"}}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "schedulerName": scheduler,
            "nodeSelector": {"for": name},
            "containers": [container],
        },
    }
    items = [*nodes, pod]
    plane.kubectl(
        "create", "-f", "-", manifest={"kind": "List", "apiVersion": "v1", "items": items}
    )
    try:
        yield name
    finally:
        plane.kubectl("delete", "pod", name, "--force", "--grace-period=0")
        plane.kubectl("delete", "node", *(node["metadata"]["name"] for node in nodes))


def node_of(plane: ControlPlane, pod: str) -> str:
    """Return the pod's node; "" while it has none."""
    return plane.kubectl("get", "pod", pod, "--output=jsonpath={.spec.nodeName}")


def test_the_scheduler_s_account_is_enough_to_schedule(
    installation: ControlPlane, toolchain: Any, tmp_path: Path
) -> None:
    """The real kube-scheduler takes its lease and binds, under the shipped configuration."""
    document = scheduler_files.shipped()
    kubeconfig = manifests.account_kubeconfig(installation, SCHEDULING, tmp_path)
    document["clientConnection"]["kubeconfig"] = str(kubeconfig)
    command = [
        str(toolchain.program("kube-scheduler")),
        f"--config={scheduler_files.written(document, tmp_path)}",
        "--bind-address=127.0.0.1",
        f"--secure-port={free_ports(1)[0]}",
    ]
    log = tmp_path / "kube-scheduler.log"
    with running(command, log):
        for pod in place(installation, "negawatt"):
            assert until(lambda name=pod: node_of(installation, name)).startswith("rights-")
    lease = ("get", "lease", "negawatt-scheduler", HERE, "--output=jsonpath={.spec.holderIdentity}")
    assert installation.kubectl(*lease)
    assert "forbidden" not in log.read_text(encoding="utf-8").lower()


def test_the_reader_s_account_is_enough_to_observe(
    installation: ControlPlane, tmp_path: Path
) -> None:
    """The extender as the manifest runs it sees a bind of another scheduler and judges it."""
    kubeconfig = manifests.account_kubeconfig(installation, READER, tmp_path)
    environ = manifests.extender_environ(installation, OBSERVE, kubeconfig, tmp_path)
    url = f"http://127.0.0.1:{environ['NEGAWATT_EXTENDER__PORT']}"
    log = tmp_path / "extender.log"
    with running([sys.executable, "-m", "extender"], log, **environ):
        until(lambda: answer(f"{url}/readyz"))
        for pod in place(installation, "default-scheduler"):
            node = until(lambda name=pod: node_of(installation, name))
            explained = until(lambda name=pod: answer(f"{url}/explain/default/{name}"))
            assert node in explained
    assert "forbidden" not in log.read_text(encoding="utf-8").lower()


def test_rules_of_the_reader_only_read(installation: ControlPlane) -> None:
    """Whatever is added later: no verb that writes, and nothing by wildcard."""
    role = json.loads(installation.kubectl("get", "clusterrole", READER, "--output=json"))
    for rule in role["rules"]:
        assert set(rule["verbs"]) <= {"get", "list", "watch"}, yaml.safe_dump(rule)
        assert "*" not in (*rule["resources"], *rule["apiGroups"])
