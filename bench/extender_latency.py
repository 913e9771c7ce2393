"""Latency of our extender's prioritize beside an empty handler on the same server.

    .venv/bin/python bench/extender_latency.py [--sizes 100,500,1000,5000] [--seconds 30]
        [--binds 100] [--output table|json|markdown]

A real API server holds so many nodes (KWOK, controllers and scheduler stand still: the bench acts
as the scheduler); the extender's informers follow it while pods are created and bound at the rate
of `--binds` a second by another process. For each pod, over one connection that is kept alive, the
extender is asked what kube-scheduler would ask with `nodeCacheCapable: true`, once to score and
once where a handler of the same server only reads the JSON and answers 0 for every name; which
comes first alternates. A second round without any binds is printed as `quiet`. Intervals are 95 %
bootstrap intervals. Everything shares the machine: run it on an idle one.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from bind_feed import NAMESPACE, PODS_PATH, freely, node_name
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from console.provenance import commit
from energy.catalogue import Catalogue
from energy.errors import InputError, UnavailableError
from simulator.fleet import FLEETS, Fleet, fleet_of_servers
from simulator.policy import Setting
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.toolchain import Toolchain
from simulator.sandbox.trial_api import TrialApi
from simulator.sandbox.trial_extender import negawatt_environment, running_extender
from simulator.sandbox.trial_objects import node_manifest, write_power_profiles
from simulator.sandbox.trial_processes import pause, resident_bytes
from simulator.sandbox.trial_scheduler import process_of

HERE = Path(__file__).parent
SIZES = (100, 500, 1000, 5000)
# Of the issue: p99 at most, on an idle machine, in milliseconds.
BARS = {100: 1.0, 500: 1.0, 1000: 1.5, 5000: 3.0}
RATIO_BAR = 2.0
VERBS = ("prioritize", "empty")
ASK_PER_SECOND = 100
# A pod is asked about when the informers have had time to see it.
SEEN_SECONDS = 0.2
WARM_UP = 200
BOOTSTRAPS = 2000
MILLISECONDS = 1000.0
Figures = dict[str, Any]


class Connection:
    """A bare keep-alive HTTP connection: what it adds to a latency is a system call or two."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.netloc
        self._socket = socket.create_connection((parts.hostname, parts.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path: str, body: bytes) -> tuple[float, bytes]:
        """Seconds from sending to the whole answer, and the answer."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        message = head.encode() + body
        began = time.perf_counter()
        self._socket.sendall(message)
        answer = self._socket.recv(1 << 20)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._socket.recv(1 << 20)
        length = int(answer[:end].lower().split(b"content-length:")[1].split(b"\r\n")[0])
        pieces, size = [answer[end + 4 :]], len(answer) - end - 4
        while size < length:
            piece = self._socket.recv(1 << 20)
            pieces.append(piece)
            size += len(piece)
        seconds = time.perf_counter() - began
        if not answer.startswith(b"HTTP/1.1 200"):
            raise UnavailableError(answer[:200].decode())
        return seconds, b"".join(pieces)

    def close(self) -> None:
        """End it."""
        self._socket.close()


class Pods:
    """Pods that a feed has made, each with when we learnt of it."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._made: deque[tuple[float, str]] = deque()
        self.count = 0
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def next(self) -> str | None:
        """The next pod that the informers should know; None if there is none yet."""
        if self._made and self._made[0][0] <= time.monotonic() - SEEN_SECONDS:
            return self._made.popleft()[1]
        return None

    def _read(self, lines: Iterator[str]) -> None:
        for line in lines:
            self._made.append((time.monotonic(), line.strip()))
            self.count += 1


@contextmanager
def feeding(kubeconfig: Path, nodes: int, per_second: float) -> Iterator[Pods]:
    """Let another process create and bind pods until the block ends."""
    command = [sys.executable, str(HERE / "bind_feed.py"), str(kubeconfig), str(nodes)]
    with subprocess.Popen(
        [*command, str(per_second)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdout is None or process.stdin is None:
            raise UnavailableError("the feed has no pipes")
        try:
            yield Pods(iter(process.stdout.readline, ""))
        finally:
            process.stdin.close()
            process.wait(30)


def ask(url: str, names: list[str], pods: Pods | None, seconds: float, pod: str) -> Figures:
    """Latencies of both verbs in milliseconds, by verb; `pod` is asked about without a feed."""
    tail = b',"Nodes":null,"NodeNames":' + json.dumps(names).encode() + b"}"
    found: dict[str, list[float]] = {verb: [] for verb in VERBS}
    connection = Connection(url)
    begin, number = time.monotonic(), 0
    while time.monotonic() < begin + seconds + WARM_UP / ASK_PER_SECOND:
        number += 1
        time.sleep(max(0.0, begin + number / ASK_PER_SECOND - time.monotonic()))
        line = pod if pods is None else pods.next()
        if line is None:
            continue
        body = b'{"Pod":' + line.encode() + tail
        for verb in VERBS if number % 2 else VERBS[::-1]:
            took, answer = connection.post(f"/scheduler/{verb}", body)
            if number > WARM_UP:
                found[verb].append(MILLISECONDS * took)
            if number == WARM_UP and len(json.loads(answer)) != len(names):
                raise UnavailableError(f"{verb} did not answer every name")
    connection.close()
    return found


def summary(found: Figures) -> Figures:
    """Medians and 99th percentiles with intervals, and the ratio of the latter."""
    samples = {verb: np.array(found[verb]) for verb in VERBS}
    rng = np.random.default_rng(0)
    count = len(samples["empty"])
    if not count:
        raise UnavailableError("nothing was measured")
    picks = rng.integers(0, count, (BOOTSTRAPS, count))
    told: Figures = {"samples": count}
    tails = {}
    for verb, values in samples.items():
        drawn = values[picks]
        tails[verb] = np.percentile(drawn, 99, axis=1)
        told[verb] = {
            "median_milliseconds": _interval(np.median(values), np.median(drawn, axis=1)),
            "p99_milliseconds": _interval(np.percentile(values, 99), tails[verb]),
        }
    whole = np.percentile(samples["prioritize"], 99) / np.percentile(samples["empty"], 99)
    told["p99_ratio"] = _interval(whole, tails["prioritize"] / tails["empty"])
    return told


def _interval(value: np.floating[Any], drawn: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": float(value), "low": float(low), "high": float(high)}


def fleet_of(nodes: int) -> Fleet:
    """So many nodes of the mixed fleet, by turns, so that every first part is mixed too."""
    servers = [slug for slug, count in FLEETS["mixed"].items() for _ in range(count)]
    rng = np.random.default_rng(1)
    order = [servers[pick] for pick in rng.permutation(len(servers))]
    catalogue = Catalogue.shipped()
    one = {slug: fleet_of_servers("one", {slug: 1}, catalogue) for slug in set(servers)}
    drawn = [one[order[number % len(order)]] for number in range(nodes)]
    return Fleet(
        "mixed by turns",
        tuple(replace(each.nodes[0], name=node_name(number)) for number, each in enumerate(drawn)),
        tuple(each.profiles[0] for each in drawn),
    )


class Bench:
    """One API server, on which more and more nodes are created."""

    def __init__(self, plane: ControlPlane, fleet: Fleet, options: argparse.Namespace) -> None:
        self._plane, self._fleet, self._options = plane, fleet, options
        self._folder = plane.kubeconfig.parent
        self._api = TrialApi(freely(plane.kubeconfig))
        self._nodes = 0
        self._profiles = self._folder / "power-profiles.yaml"
        write_power_profiles(self._profiles, fleet)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self._api.create("/api/v1/namespaces", namespace)
        account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
        while not self._api.exists(account):
            time.sleep(0.1)
        # Nobody else shall schedule, start pods, or look for the heartbeats of nodes.
        for program in ("kube-scheduler", "kwok", "kube-controller-manager"):
            pause(process_of(plane.process_ids(), program))

    def size(self, nodes: int) -> Figures:
        """Both rounds at so many nodes."""
        for number in range(self._nodes, nodes):
            manifest = node_manifest(self._fleet.nodes[number], self._fleet.profiles[number])
            self._api.create("/api/v1/nodes", manifest)
        self._nodes = nodes
        names = [node_name(number) for number in range(nodes)]
        environ = negawatt_environment(
            kubeconfig=self._plane.kubeconfig,
            power_profiles=self._profiles,
            setting=Setting(usage_ratio=0.5, nodes_may_sleep=False),
            scheduler_name="negawatt",
            ledger=self._folder / f"ledger-{nodes}.sqlite",
        )
        command = [sys.executable, str(HERE / "extender_with_empty_handler.py")]
        told: Figures = {}
        with running_extender(command, self._folder / "extender.log", environ) as extender:
            with feeding(self._plane.kubeconfig, nodes, self._options.binds) as pods:
                seconds = self._options.seconds
                found = ask(extender.url, names, pods, seconds, "")
                told["busy"] = summary(found)
                told["busy"]["binds_per_second"] = self._options.binds
            pod = json.dumps(_waiting_pod())
            told["quiet"] = summary(ask(extender.url, names, None, seconds, pod))
            told["resident_bytes"] = resident_bytes(extender.process_id)
        self._api.delete_all(PODS_PATH)
        return told


def _waiting_pod() -> Figures:
    requests = {"cpu": "250m", "memory": "256Mi"}
    container = {"name": "main", "image": "none", "resources": {"requests": requests}}
    return {
        "metadata": {"name": "asked", "namespace": NAMESPACE, "uid": "asked"},
        "spec": {"schedulerName": "negawatt", "containers": [container]},
        "status": {"phase": "Pending"},
    }


def _cell(figure: dict[str, float]) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f}-{figure['high']:.2f})"


def printed(found: dict[int, Figures], output: str) -> None:
    """Print it."""
    if output == "json":
        print(json.dumps({"commit": commit(), "sizes": found, "bars": BARS}, indent=2))
        return
    headings = (
        "names",
        "round",
        "ours median ms",
        "ours p99 ms",
        "empty median ms",
        "empty p99 ms",
        "p99 ratio",
    )
    rows = [
        (
            f"{size:,}",
            f"{told[part]['binds_per_second']:g} binds/s" if part == "busy" else part,
            *(
                _cell(told[part][verb][name])
                for verb in VERBS
                for name in ("median_milliseconds", "p99_milliseconds")
            ),
            _cell(told[part]["p99_ratio"]),
        )
        for size, told in found.items()
        for part in ("busy", "quiet")
    ]
    if output == "markdown":
        print("| " + " | ".join(headings) + " |")
        print("| --: | --- |" + " --: |" * (len(headings) - 2))
        for row in rows:
            print("| " + " | ".join(row) + " |")
        return
    table = Table(title=f"bars: p99 ratio {RATIO_BAR:g}, p99 {BARS} ms on an idle machine")
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*row)
    Console(width=130).print(table)


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--sizes", type=lambda text: [int(size) for size in text.split(",")], default=list(SIZES)
    )
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--binds", type=float, default=100.0)
    parser.add_argument("--output", choices=("table", "json", "markdown"), default="table")
    options = parser.parse_args()
    sizes = sorted(options.sizes)
    found: dict[int, Figures] = {}
    with ControlPlane(Toolchain.found(os.environ)) as plane:
        bench = Bench(plane, fleet_of(sizes[-1]), options)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("sizes", total=len(sizes))
            for size in sizes:
                progress.update(task, description=f"{size} names")
                found[size] = bench.size(size)
                progress.advance(task)
    printed(found, options.output)


if __name__ == "__main__":
    try:
        main()
    except (InputError, UnavailableError) as error:
        sys.exit(str(error))
