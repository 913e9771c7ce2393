"""The process that plays traffic as metrics: follows the pods of a cluster, serves on loopback.

python -m simulator.sandbox.forecast_replay --kubeconfig FILE --port PORT --start-seconds UNIX
"""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import SystemRandom
from typing import NoReturn

from typing_extensions import override

from cluster.kube.client import UNFINISHED_PODS, JsonObject, connect
from cluster.kube.convert import read_pod
from cluster.kube.informer import Informer
from cluster.kube.settings import KubeSettings, WatchSettings
from cluster.kube.store import Change
from simulator.sandbox.exposition import CONTENT_TYPE
from simulator.sandbox.forecast_counters import Totals, advanced, caught_up, past_of
from simulator.sandbox.forecast_exposition import SeenWorkload, exposition
from simulator.sandbox.forecast_history import HISTORY_MINUTES
from simulator.sandbox.forecast_names import READY_PATH, past_replica_set
from simulator.sandbox.forecast_workloads import TRACES, ReplayedWorkload, replayed_workloads
from simulator.sandbox.ports import LOOPBACK

SYNC_SECONDS_MAX = 120.0
PATIENCE_SECONDS = 60.0
REPLICA_SET = "ReplicaSet"
HASH_LABEL = "pod-template-hash"
#: By which a scrape is known (Prometheus: scrape/scrape.go).
SCRAPE_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaPod:
    """A pod of a Deployment: `workload` is `namespace/name`, empty for other pods."""

    workload: str
    name: str
    replica_set: str
    ready: bool


NO_REPLICA = ReplicaPod(workload="", name="", replica_set="", ready=False)


def read_replica_pod(item: JsonObject) -> ReplicaPod:
    """Give a pod's Deployment by its replica set's name, whose ending is the template's hash."""
    pod = read_pod(item).value
    if pod is None or pod.owner is None or pod.owner.kind != REPLICA_SET:
        return NO_REPLICA
    ending = f"-{pod.labels.get(HASH_LABEL, '')}"
    return ReplicaPod(
        workload=f"{pod.namespace}/{pod.owner.name.removesuffix(ending)}",
        name=pod.name,
        replica_set=pod.owner.name,
        ready=_is_ready(item) and not pod.terminating,
    )


def _is_ready(item: JsonObject) -> bool:
    status = item.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    return isinstance(conditions, list) and any(
        isinstance(one, dict) and one.get("type") == "Ready" and one.get("status") == "True"
        for one in conditions
    )


class ReplayedCluster:
    """The workloads' totals beside the pods that are there. Thread-safe."""

    def __init__(
        self,
        workloads: Sequence[ReplayedWorkload],
        start: Mapping[str, Totals],
        *,
        patience_until_seconds: float,
    ) -> None:
        """Begin with the totals of each workload's past, by its key.

        A workload begins with the first scrape when as many pods are ready as it is created with,
        or at the end of the patience (Unix time) if there is one; what went on since the past is
        then told after the event, as if they had been ready all along.
        """
        self._lock = threading.Lock()
        self._patience_until_seconds = patience_until_seconds
        self._workloads = {f"{one.namespace}/{one.name}": one for one in workloads}
        self._totals = {name: start[one.key] for name, one in self._workloads.items()}
        self._pods: dict[str, dict[str, ReplicaPod]] = {name: {} for name in self._workloads}
        self._begun: set[str] = set()

    def put(self, key: str, before: ReplicaPod, after: ReplicaPod, now_seconds: float) -> None:
        """Take over that a pod has changed; `key` is its own."""
        with self._lock:
            for pod in (before, after):
                if pod.workload in self._workloads:
                    self._advance(pod.workload, now_seconds)
            if before.workload in self._workloads:
                self._pods[before.workload].pop(key, None)
            if after.workload in self._workloads:
                self._pods[after.workload][key] = after

    @property
    def begun(self) -> bool:
        """Whether all workloads have begun: a rate of any minute until now can be asked for."""
        with self._lock:
            return self._begun == self._workloads.keys()

    def page(self, now_seconds: float, *, scraped: bool = True) -> str:
        """Write the page of metrics as of now; only what is scraped lets a workload begin."""
        with self._lock:
            seen: list[SeenWorkload] = []
            for name in self._workloads:
                if name in self._begun:
                    self._advance(name, now_seconds)
                    seen.append(self._seen(name, self._totals[name]))
                elif scraped and self._may_begin(name, now_seconds):
                    seen += self._beginning(name, now_seconds)
            return exposition(seen)

    def _ready(self, name: str) -> list[str]:
        return sorted(pod.name for pod in self._pods[name].values() if pod.ready)

    def _may_begin(self, name: str, now_seconds: float) -> bool:
        ready = len(self._ready(name))
        impatient = ready > 0 and now_seconds > self._patience_until_seconds
        return impatient or ready >= self._workloads[name].replicas

    def _beginning(self, name: str, now_seconds: float) -> list[SeenWorkload]:
        """Everything since the past at once; its last sample is dated, too, to be in order."""
        passed = caught_up(
            self._totals[name], self._workloads[name], self._ready(name), now_seconds
        )
        self._begun.add(name)
        self._totals[name] = passed[-1]
        return [self._seen(name, totals, dated=True) for totals in passed]

    def _seen(self, name: str, totals: Totals, *, dated: bool = False) -> SeenWorkload:
        return SeenWorkload(
            workload=self._workloads[name],
            totals=totals,
            replica_set=self._replica_set(name),
            replicas=len(self._pods[name]),
            dated=dated,
        )

    def _advance(self, name: str, now_seconds: float) -> None:
        if name in self._begun:
            self._totals[name] = advanced(
                self._totals[name], self._workloads[name], self._ready(name), now_seconds
            )

    def _replica_set(self, name: str) -> str:
        sets = sorted(pod.replica_set for pod in self._pods[name].values())
        return sets[-1] if sets else past_replica_set(self._workloads[name].name)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, cluster: ReplayedCluster, *arguments: object) -> None:
        self._cluster = cluster
        super().__init__(*arguments)  # type: ignore[arg-type]  # the server's own

    def do_GET(self) -> None:
        """Answer /metrics and /readyz."""
        status, text = HTTPStatus.OK, "look at /metrics\n"
        if self.path == "/metrics":
            scraped = SCRAPE_HEADER in self.headers
            text = self._cluster.page(time.time(), scraped=scraped)
        elif self.path != READY_PATH:
            status = HTTPStatus.NOT_FOUND
        elif not self._cluster.begun:
            status, text = HTTPStatus.SERVICE_UNAVAILABLE, "not all workloads were scraped yet\n"
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *arguments: object) -> None:
        """Keep quiet: a scrape every few seconds is no news."""


def follow(kubeconfig: Path, cluster: ReplayedCluster) -> Informer[ReplicaPod]:
    """Follow the pods of a cluster until the informer is stopped. Raises KubeError."""
    client = connect(KubeSettings(credentials="kubeconfig", kubeconfig=kubeconfig))
    pods = Informer(
        client, UNFINISHED_PODS, read_replica_pod, settings=WatchSettings(), rng=SystemRandom()
    )

    def changed(change: Change[ReplicaPod]) -> None:
        if change.after != change.before:
            before, after = change.before or NO_REPLICA, change.after or NO_REPLICA
            cluster.put(change.key, before, after, time.time())

    pods.subscribe(changed)
    pods.start()
    pods.wait_until_synced(timeout_seconds=SYNC_SECONDS_MAX)
    return pods


def main() -> NoReturn:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator.sandbox.forecast_replay", description=__doc__
    )
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--start-seconds", type=int, required=True)
    parser.add_argument("--traces", type=Path, default=TRACES)
    options = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    start: int = options.start_seconds
    workloads = replayed_workloads(start, traces=options.traces)
    pasts = {one.key: past_of(one, start, HISTORY_MINUTES).last() for one in workloads}
    patience_until_seconds = time.time() + PATIENCE_SECONDS
    cluster = ReplayedCluster(workloads, pasts, patience_until_seconds=patience_until_seconds)
    informer = follow(options.kubeconfig, cluster)
    server = ThreadingHTTPServer((LOOPBACK, options.port), partial(_Handler, cluster))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stopped.wait()
    server.shutdown()
    informer.stop(timeout_seconds=1.0)
    raise SystemExit(0)


if __name__ == "__main__":
    main()
