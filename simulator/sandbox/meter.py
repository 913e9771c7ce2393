"""The process of the simulated power meter: follows a cluster, serves Kepler's metrics on loopback.

python -m simulator.sandbox.meter --kubeconfig FILE --port PORT --usage-ratio 0.5
"""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import SystemRandom
from typing import NoReturn

from typing_extensions import override

from cluster.kube.client import NODES, UNFINISHED_PODS, JsonObject, connect
from cluster.kube.convert import read_node, read_pod
from cluster.kube.informer import Informer
from cluster.kube.settings import KubeSettings, WatchSettings
from cluster.kube.store import Change
from cluster.model import Node
from cluster.quantities import cpu_millicores
from energy.catalogue import Catalogue, NodeFacts
from energy.errors import InputError
from pricing.node_class import CPU_MILLICORES_PER_CORE
from simulator.sandbox.exposition import CONTENT_TYPE, Fault, exposition, fault_named
from simulator.sandbox.fleet_nodes import SERVER_LABEL
from simulator.sandbox.metered_cluster import MeteredCluster
from simulator.sandbox.ports import LOOPBACK
from simulator.sandbox.power_meter import NodeUse, PodUse

USAGE_ANNOTATION = "kwok.x-k8s.io/usage-cpu"
ASLEEP_TAINT = "negawatt.dev/asleep"
SYNC_SECONDS_MAX = 120.0
FROZEN = (Fault.FROZEN, Fault.STALE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPod:
    """A pod and the node that it runs on; None: it does not run yet, or cannot be read."""

    node: str | None
    use: PodUse | None


def read_running_pod(item: JsonObject, *, usage_ratio: float) -> RunningPod:
    """Give a pod's simulated use of CPU, as KWOK counts it.

    The annotation `kwok.x-k8s.io/usage-cpu` says what each of its containers uses; without it the
    pod uses `usage_ratio` of what it requests.
    """
    pod = read_pod(item).value
    if pod is None or pod.node_name is None or pod.phase != "Running":
        return RunningPod(node=None, use=None)
    containers = _container_names(item)
    requested = pod.requests.cpu_millicores * usage_ratio
    stated = _stated_millicores(pod.annotations)
    millicores = requested if stated is None else stated * len(containers)
    use = PodUse(
        uid=_uid(item),
        namespace=pod.namespace,
        name=pod.name,
        containers=containers,
        cpu_cores=millicores / CPU_MILLICORES_PER_CORE,
    )
    return RunningPod(node=pod.node_name, use=use)


def read_node_use(item: JsonObject, *, catalogue: Catalogue) -> NodeUse | None:
    """Give a node with the curve of its server; a node of no known server gets a generic one."""
    node = read_node(item).value
    if node is None:
        return None
    cores = node.allocatable.cpu_millicores / CPU_MILLICORES_PER_CORE
    server = catalogue.servers.get(node.labels.get(SERVER_LABEL, ""))
    profile = (
        server.profile()
        if server
        else catalogue.resolve(
            NodeFacts(name=node.name, cpu_cores=max(cores, 1), labels=node.labels)
        )
    )
    return NodeUse(
        name=node.name,
        profile=profile,
        cpu_cores=cores,
        processor=server.cpu if server else "",
        asleep=_is_asleep(node),
    )


def _is_asleep(node: Node) -> bool:
    return node.unschedulable and any(taint.key == ASLEEP_TAINT for taint in node.taints)


def _stated_millicores(annotations: Mapping[str, str]) -> int | None:
    if (text := annotations.get(USAGE_ANNOTATION)) is None:
        return None
    try:
        return cpu_millicores(text)
    except InputError:
        return None  # KWOK cannot read it either


def _container_names(item: JsonObject) -> tuple[str, ...]:
    spec = item.get("spec")
    containers = spec.get("containers", []) if isinstance(spec, dict) else []
    return tuple(str(container.get("name", "")) for container in containers)


def _uid(item: JsonObject) -> str:
    metadata = item.get("metadata")
    return str(metadata.get("uid", "")) if isinstance(metadata, dict) else ""


class MeterPage:
    """What the meter answers, under the fault that a file names, if it is there."""

    def __init__(self, cluster: MeteredCluster, fault_file: Path | None) -> None:
        self._cluster = cluster
        self._fault_file = fault_file
        self._lock = threading.Lock()
        self._frozen: tuple[Fault, str] | None = None

    def text(self) -> str:
        """Write the page as of now."""
        fault = self._fault()
        with self._lock:
            if fault not in FROZEN:
                self._frozen = None
            elif self._frozen is None or self._frozen[0] is not fault:
                stamp = round(time.time() * 1000) if fault is Fault.STALE else None
                page = exposition(self._cluster.readings(), stamp_milliseconds=stamp)
                self._frozen = (fault, page)
            if self._frozen is not None:
                return self._frozen[1]
        return exposition(self._cluster.readings(), fault=fault)

    def _fault(self) -> Fault:
        try:
            text = self._fault_file.read_text(encoding="utf-8") if self._fault_file else ""
        except (OSError, UnicodeDecodeError):
            text = ""
        return fault_named(text)


def _ok() -> str:
    return "ok\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, page: MeterPage, *arguments: object) -> None:
        self._page = page
        super().__init__(*arguments)  # type: ignore[arg-type]  # the server's own

    def do_GET(self) -> None:
        """Answer /metrics, and /healthz with `ok`."""
        answers: dict[str, Callable[[], str]] = {"/metrics": self._page.text, "/healthz": _ok}
        answer = answers.get(self.path)
        body = (answer() if answer else "look at /metrics\n").encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *arguments: object) -> None:
        """Keep quiet: a scrape every two seconds is no news."""


def follow(
    kubeconfig: Path, cluster: MeteredCluster, *, usage_ratio: float
) -> tuple[Informer[NodeUse | None], Informer[RunningPod]]:
    """Follow nodes and pods of a cluster until the informers are stopped.

    Raises:
        KubeError: they cannot be listed.
    """
    client = connect(KubeSettings(credentials="kubeconfig", kubeconfig=kubeconfig))
    settings, rng = WatchSettings(), SystemRandom()
    catalogue = Catalogue.shipped()
    nodes = Informer(
        client, NODES, partial(read_node_use, catalogue=catalogue), settings=settings, rng=rng
    )
    reader = partial(read_running_pod, usage_ratio=usage_ratio)
    pods = Informer(client, UNFINISHED_PODS, reader, settings=settings, rng=rng)

    def node_changed(change: Change[NodeUse | None]) -> None:
        if change.after is None:
            cluster.remove_node(change.key)
        elif change.after != change.before:  # most updates are heartbeats
            cluster.put_node(change.after)

    def pod_changed(change: Change[RunningPod]) -> None:
        if change.after != change.before:
            after = change.after or RunningPod(node=None, use=None)
            cluster.put_pod(change.key, after.node, after.use)

    nodes.subscribe(node_changed)
    pods.subscribe(pod_changed)
    for informer in (nodes, pods):
        informer.start()
    for informer in (nodes, pods):
        informer.wait_until_synced(timeout_seconds=SYNC_SECONDS_MAX)
    return nodes, pods


def main() -> NoReturn:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m simulator.sandbox.meter", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--usage-ratio", type=float, required=True)
    parser.add_argument("--fault-file", type=Path, help="if it is there, it names a fault")
    options = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    cluster = MeteredCluster(time.time)
    informers = follow(options.kubeconfig, cluster, usage_ratio=options.usage_ratio)
    page = MeterPage(cluster, options.fault_file)
    server = ThreadingHTTPServer((LOOPBACK, options.port), partial(_Handler, page))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stopped.wait()
    server.shutdown()
    for informer in informers:
        informer.stop(timeout_seconds=1.0)
    raise SystemExit(0)


if __name__ == "__main__":
    main()
