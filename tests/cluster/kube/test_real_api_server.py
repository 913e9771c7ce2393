"""Against a real API server: what is listed, watched, converted and forbidden."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from random import Random

import pytest
from follower import PATIENCE_SECONDS, Follower
from scripted_api import write_kubeconfig

from cluster.constraints import HostPort, TaintEffect, Toleration, TolerationOperator
from cluster.kube.client import NODES, KubeClient, connect
from cluster.kube.convert import Reading, read_pod
from cluster.kube.errors import ForbiddenError, UnauthorizedError, UnreachableError
from cluster.kube.informer import object_key
from cluster.kube.settings import KubeSettings
from cluster.kube.snapshot import ClusterObserver
from cluster.kube.store import Change, ChangeKind
from cluster.model import Pod, Resources
from energy.errors import UnavailableError
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node

MEBIBYTE = 1024**2


@pytest.fixture
def live(kubeconfig: Path) -> Iterator[KubeClient]:
    """Return a client of the real API server."""
    client = connect(KubeSettings(kubeconfig=kubeconfig), environment={})
    yield client
    client.close()


@pytest.fixture
def name(control_plane: ControlPlane) -> Iterator[str]:
    """Return a prefix for this test's objects; nodes and pods that carry it are deleted."""
    prefix = f"kube-{uuid.uuid4().hex[:8]}"
    yield prefix
    for kind in ("pod", "node"):
        found = control_plane.kubectl("get", kind, "--output=name").split()
        mine = [one for one in found if prefix in one]
        if mine:
            control_plane.kubectl("delete", "--force", "--grace-period=0", *mine)


def create(plane: ControlPlane, manifest: object) -> None:
    """Create an object."""
    plane.kubectl("create", "-f", "-", manifest=manifest)


def test_the_servers_version_is_read(live: KubeClient) -> None:
    """The toolchain's own version comes back as semantic versioning has it."""
    assert re.fullmatch(r"v1\.\d+\.\d+", live.server_version())


def test_a_list_of_many_pages_is_the_list_of_one(
    live: KubeClient, control_plane: ControlPlane, name: str
) -> None:
    """Two objects a page or five hundred: the same objects, once each."""
    for number in range(5):
        create(control_plane, fake_node(f"{name}-{number}"))

    paged = list(live.pages(NODES, page_objects_max=2))
    names = [object_key(item) for page in paged for item in page.items]

    assert len(paged) >= 3
    assert [one for one in names if name in one] == [f"{name}-{number}" for number in range(5)]
    assert len({page.resource_version for page in paged}) == 1


def test_what_is_added_changed_and_deleted_is_told_in_order(
    live: KubeClient, control_plane: ControlPlane, name: str
) -> None:
    """An informer tells one object's life as it happened."""
    follower = Follower(live)
    with follower.informer:
        follower.informer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)
        create(control_plane, fake_node(name))
        control_plane.kubectl("cordon", name)
        control_plane.kubectl("delete", "node", name)
        kinds: list[ChangeKind] = []
        while ChangeKind.DELETED not in kinds:
            kind, key = follower.next_change()
            if key == name:
                kinds.append(kind)

    assert kinds[0] is ChangeKind.ADDED
    # The node controller and KWOK touch the node as well, so there may be several updates.
    assert set(kinds[1:-1]) == {ChangeKind.UPDATED}
    assert follower.informer.get(name) is None


def test_a_defaulted_pod_is_converted_exactly(
    live: KubeClient, control_plane: ControlPlane, name: str
) -> None:
    """Every field of the value is what Kubernetes means, its defaults and injections included."""
    create(control_plane, fake_node(name))
    create(
        control_plane,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
            "spec": {
                "nodeName": name,
                "initContainers": [
                    container("sidecar", "100m", "10Mi", restartPolicy="Always"),
                    container("init", "2", "20Mi"),
                ],
                "containers": [
                    container("a", "0.5", "0.1Gi", ports=[{"containerPort": 1, "hostPort": 81}]),
                    {"name": "b", "image": "none", "resources": {"limits": {"cpu": "250m"}}},
                ],
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
            },
        },
    )
    with ClusterObserver(live, rng=Random(1)) as observer:
        observer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)
        reading = found(observer, f"default/{name}")

    minutes_five = {"operator": TolerationOperator.EXISTS, "effect": TaintEffect.NO_EXECUTE}
    assert reading.doubts == ()
    assert reading.value is not None
    assert reading.value == Pod(
        namespace="default",
        name=name,
        labels={"app": "web"},
        # CPU: the init container (2) beside the sidecar (0.1). Memory: all that run together,
        # with 0.1Gi rounded up to 107374183 bytes. A limit without a request is a request.
        requests=Resources(cpu_millicores=2100, memory_bytes=107374183 + 10 * MEBIBYTE),
        nonzero_requests=Resources(
            cpu_millicores=2100, memory_bytes=107374183 + (10 + 200) * MEBIBYTE
        ),
        scored_requests=Resources(
            cpu_millicores=2100, memory_bytes=107374183 + (10 + 200) * MEBIBYTE
        ),
        tolerations=(
            Toleration("gpu", TolerationOperator.EXISTS),
            # Injected by the DefaultTolerationSeconds admission plugin.
            Toleration("node.kubernetes.io/not-ready", **minutes_five),
            Toleration("node.kubernetes.io/unreachable", **minutes_five),
        ),
        host_ports=(HostPort(81),),
        node_name=name,
        phase=reading.value.phase,
        uid=reading.value.uid,  # the server's choice
    )


def test_requests_are_what_kubectl_reckons(
    live: KubeClient, control_plane: ControlPlane, name: str
) -> None:
    """`kubectl describe node` sums a pod's requests with Kubernetes' own Go code: the same."""
    create(control_plane, fake_node(name))
    manifests = {
        f"{name}-plain": [container("a", "250m", "64Mi"), container("b", "1", "1Gi")],
        f"{name}-none": [{"name": "a", "image": "none"}],
        f"{name}-odd": [container("a", "1.5", "1500M"), container("b", "3m", "0.3Gi")],
    }
    for pod, containers in manifests.items():
        create(control_plane, pod_on(name, pod, containers))
    create(
        control_plane,
        pod_on(
            name,
            f"{name}-init",
            [container("a", "100m", "10Mi")],
            initContainers=[
                container("first", "700m", "5Mi"),
                container("side", "50m", "50Mi", restartPolicy="Always"),
                container("second", "600m", "80Mi"),
            ],
        ),
    )

    described = control_plane.kubectl("describe", "node", name)
    with ClusterObserver(live, rng=Random(1)) as observer:
        observer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)
        ours = {
            pod.name: (pod.requests.cpu_millicores, pod.requests.memory_bytes)
            for pod in observer.observe(now_seconds=0.0).snapshot.pods
            if pod.node_name == name
        }

    assert ours == kubectl_requests(described)
    assert set(ours) == {*manifests, f"{name}-init"}


def test_the_snapshot_shows_the_cluster_and_its_age(
    live: KubeClient, control_plane: ControlPlane, name: str
) -> None:
    """Nodes, pods that hold something, and namespaces; a finished pod holds nothing."""
    create(control_plane, fake_node(name, cpu="3500m", labels={"zone": "a"}))
    control_plane.kubectl("taint", "node", name, "gpu=yes:NoSchedule")
    create(control_plane, pod_on(name, f"{name}-held", [container("a", "1", "1Gi")]))
    create(control_plane, pod_on(name, f"{name}-done", [container("a", "1", "1Gi")]))
    finish = '{"status": {"phase": "Succeeded"}}'
    arguments = ("patch", "pod", f"{name}-done", "--subresource=status", "--type=merge")
    control_plane.kubectl(*arguments, f"--patch={finish}")

    with ClusterObserver(live, rng=Random(1)) as observer:
        observer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)
        observed = observer.observe(now_seconds=1000.0)

    node = next(one for one in observed.snapshot.nodes if one.name == name)
    assert node.allocatable == Resources(cpu_millicores=3500, memory_bytes=32 * 1024**3)
    assert node.labels["zone"] == "a"
    assert ("gpu", "yes") in {(taint.key, taint.value) for taint in node.taints}
    assert [pod.name for pod in observed.snapshot.pods if name in pod.name] == [f"{name}-held"]
    default = observed.snapshot.namespace_labels["default"]
    assert default["kubernetes.io/metadata.name"] == "default"
    assert observed.snapshot.taken_at_seconds == 1000.0 - observed.age_seconds
    assert observed.age_seconds >= 0.0


def test_a_pod_that_finishes_leaves_the_snapshot(
    live: KubeClient, control_plane: ControlPlane, name: str
) -> None:
    """The server tells a watch with a selector that the pod is gone."""
    create(control_plane, fake_node(name))
    create(control_plane, pod_on(name, name, [container("a", "1", "1Gi")]))
    changes: Queue[Change[Reading[Pod]]] = Queue()
    with ClusterObserver(live, rng=Random(1)) as observer:
        observer.pods.subscribe(changes.put)
        observer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)
        patch = '{"status": {"phase": "Failed"}}'
        arguments = ("patch", "pod", name, "--subresource=status", "--type=merge")
        control_plane.kubectl(*arguments, f"--patch={patch}")
        while True:
            change = changes.get(timeout=PATIENCE_SECONDS)
            if change.key == f"default/{name}" and change.kind is ChangeKind.DELETED:
                break

        assert observer.pods.get(f"default/{name}") is None


def test_a_service_account_without_rights_reads_which_rule_to_add(
    control_plane: ControlPlane, live: KubeClient, name: str, tmp_path: Path
) -> None:
    """One line: who, what, and the RBAC rule; adding that rule heals the informer by itself."""
    create(control_plane, fake_node(name))
    control_plane.kubectl("create", "serviceaccount", name)
    try:
        client = connect(account_settings(control_plane, live, name, tmp_path), environment={})
        follower = Follower(client)
        with follower.informer:
            with pytest.raises(ForbiddenError) as caught:
                follower.informer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)

            message = str(caught.value)
            assert f"ServiceAccount default/{name} may not list nodes" in message
            rule = 'rule {apiGroups: [""], resources: ["nodes"], verbs: ["list", "watch"]}'
            assert rule in message
            assert "\n" not in message

            verbs = ("--verb=list,watch", "--resource=nodes")
            control_plane.kubectl("create", "clusterrole", name, *verbs)
            binding = (f"--clusterrole={name}", f"--serviceaccount=default:{name}")
            control_plane.kubectl("create", "clusterrolebinding", name, *binding)

            # The node that awaits it in the first list it may read.
            kinds = {follower.next_change()}
            while (ChangeKind.ADDED, name) not in kinds:
                kinds.add(follower.next_change())
    finally:
        for kind in ("serviceaccount", "clusterrolebinding", "clusterrole"):
            control_plane.kubectl("delete", kind, name, "--ignore-not-found")


def test_an_observer_without_rights_is_refused_before_any_snapshot(
    control_plane: ControlPlane, live: KubeClient, name: str, tmp_path: Path
) -> None:
    """Nodes without pods would look empty: half a snapshot is an error."""
    control_plane.kubectl("create", "serviceaccount", name)
    control_plane.kubectl("create", "clusterrole", name, "--verb=list,watch", "--resource=nodes")
    binding = (f"--clusterrole={name}", f"--serviceaccount=default:{name}")
    control_plane.kubectl("create", "clusterrolebinding", name, *binding)
    try:
        client = connect(account_settings(control_plane, live, name, tmp_path), environment={})
        with ClusterObserver(client, rng=Random(1)) as observer:
            with pytest.raises(ForbiddenError, match=r"may not list (pods|namespaces)"):
                observer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)
            with pytest.raises(UnavailableError, match=r"may not list|not been listed"):
                observer.observe(now_seconds=0.0)
    finally:
        for kind in ("serviceaccount", "clusterrolebinding", "clusterrole"):
            control_plane.kubectl("delete", kind, name, "--ignore-not-found")


def test_unknown_credentials_are_told_from_missing_rights(live: KubeClient, tmp_path: Path) -> None:
    """An expired or foreign token is 401: renew it, no rule would help."""
    certificate = str(live.api.configuration.ssl_ca_cert)
    path = write_kubeconfig(
        tmp_path / "config", live.server, bearer="expired", authority=certificate
    )
    client = connect(KubeSettings(kubeconfig=path), environment={})

    with pytest.raises(UnauthorizedError, match="renew the credentials"):
        next(client.pages(NODES, page_objects_max=1))


def test_a_certificate_of_another_authority_is_named_as_such(
    live: KubeClient, tmp_path: Path
) -> None:
    """TLS that fails is not taken for a server that is down, and nothing is sent."""
    path = write_kubeconfig(tmp_path / "config", live.server, bearer="foreign")
    client = connect(KubeSettings(kubeconfig=path), environment={})

    with pytest.raises(UnreachableError, match=r"(?i)certificate") as caught:
        next(client.pages(NODES, page_objects_max=1))
    assert "\n" not in str(caught.value)


def container(name: str, cpu: str, memory: str, **more: object) -> dict[str, object]:
    """Describe a container."""
    requests = {"requests": {"cpu": cpu, "memory": memory}}
    return {"name": name, "image": "none", "resources": requests, **more}


def pod_on(node: str, name: str, containers: object, **spec: object) -> dict[str, object]:
    """Describe a pod that is bound to a node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": node, "containers": containers, **spec},
    }


def found(observer: ClusterObserver, key: str) -> Reading[Pod]:
    """Return one pod's reading, as soon as the informer has it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (reading := observer.pods.get(key)) is None:
        assert time.monotonic() < deadline, f"no {key}"
        time.sleep(0.05)
    return reading


def kubectl_requests(described: str) -> dict[str, tuple[int, int]]:
    """Read pod -> (millicores, bytes) from the table that `kubectl describe node` prints."""
    table = described.split("Non-terminated Pods:")[1].split("Allocated resources:", maxsplit=1)[0]
    rows = re.findall(
        r"^\s+default\s+(\S+)\s+(\S+) \(.*?\)\s+\S+ \(.*?\)\s+(\S+) \(", table, re.MULTILINE
    )
    fields = [(pod, {"cpu": cpu, "memory": memory}) for pod, cpu, memory in rows]
    return {pod: requested(requests) for pod, requests in fields}


def requested(requests: dict[str, str]) -> tuple[int, int]:
    """Return a single container's requests through the reader under test."""
    item = {
        "metadata": {"namespace": "n", "name": "n"},
        "spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]},
    }
    pod = read_pod(item).value
    assert pod is not None
    return pod.requests.cpu_millicores, pod.requests.memory_bytes


def account_settings(
    plane: ControlPlane, live: KubeClient, account: str, folder: Path
) -> KubeSettings:
    """Return settings with a fresh token of a ServiceAccount."""
    token = plane.kubectl("create", "token", account).strip()
    certificate = str(live.api.configuration.ssl_ca_cert)
    path = write_kubeconfig(folder / "account", live.server, bearer=token, authority=certificate)
    return KubeSettings(kubeconfig=path)
