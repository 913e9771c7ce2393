"""Memory of our extender's process at 5,000 nodes and 100,000 pods.

    .venv/bin/python bench/extender_memory.py [--nodes 5000] [--pods 100000] [--output table|json]

The whole process, informers included, lists the objects from bench/listing_server.py page by page.
Printed are what it holds in RAM when it is ready, half a minute later, and at most.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from console.provenance import commit
from energy.errors import UnavailableError
from simulator.policy import Setting
from simulator.sandbox.processes import PROC
from simulator.sandbox.trial_extender import is_ready, negawatt_environment
from simulator.sandbox.trial_processes import TrialProcess, resident_bytes

HERE = Path(__file__).parent
BAR_BYTES = 400 * 2**20
SETTLE_SECONDS = 30.0
READY_SECONDS_MAX = 900.0


def write_kubeconfig(file: Path, url: str) -> None:
    """Credentials for a server that asks for none."""
    named = {"name": "bench"}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{**named, "cluster": {"server": url}}],
        "users": [{**named, "user": {}}],
        "contexts": [{**named, "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }
    file.write_text(json.dumps(document), encoding="utf-8")


def peak_bytes(process_id: int) -> int:
    """The most that a process has held in RAM."""
    status = (PROC / str(process_id) / "status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def measure(nodes: int, pods: int) -> dict[str, float]:
    """Bytes, and how long it took to get ready."""
    with tempfile.TemporaryDirectory(prefix="negawatt-memory-") as name:
        folder = Path(name)
        command = [sys.executable, str(HERE / "listing_server.py"), str(nodes), str(pods)]
        with TrialProcess(command, folder / "server.log") as server:
            kubeconfig = folder / "kubeconfig"
            write_kubeconfig(kubeconfig, server.address())
            profiles = folder / "power-profiles.yaml"
            profiles.write_text(json.dumps(_profile()), encoding="utf-8")
            environ = negawatt_environment(
                kubeconfig=kubeconfig,
                power_profiles=profiles,
                setting=Setting(usage_ratio=0.5, nodes_may_sleep=False),
                scheduler_name="negawatt",
                ledger=folder / "ledger.sqlite",
            )
            command = [sys.executable, "-m", "extender"]
            with TrialProcess(command, folder / "extender.log", environ=environ) as extender:
                return _watched(extender)


def _watched(extender: TrialProcess) -> dict[str, float]:
    began = time.monotonic()
    url = extender.address()
    while not is_ready(url):
        if time.monotonic() > began + READY_SECONDS_MAX:
            raise UnavailableError(f"not ready: {extender.last_words()}")
        time.sleep(0.5)
    ready_seconds = time.monotonic() - began
    ready_bytes = resident_bytes(extender.process_id)
    time.sleep(SETTLE_SECONDS)
    return {
        "ready_seconds": ready_seconds,
        "ready_bytes": ready_bytes,
        "settled_bytes": resident_bytes(extender.process_id),
        "peak_bytes": peak_bytes(extender.process_id),
    }


def _profile() -> dict[str, object]:
    return {
        "apiVersion": "negawatt.dev/v1alpha1",
        "kind": "PowerProfile",
        "metadata": {"name": "kind-0"},
        "spec": {
            "nodeSelector": {"node.kubernetes.io/instance-type": "kind-0"},
            "idle_watts": 100.0,
            "peak_watts": 400.0,
        },
    }


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--pods", type=int, default=100_000)
    parser.add_argument("--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    found = measure(options.nodes, options.pods)
    if options.output == "json":
        print(json.dumps({"commit": commit(), "bar_bytes": BAR_BYTES, **found}, indent=2))
        return
    title = f"{options.nodes:,} nodes, {options.pods:,} pods; bar {BAR_BYTES / 2**20:.0f} MiB"
    table = Table("moment", "MiB", title=title)
    for name in ("ready", "settled", "peak"):
        table.add_row(name, f"{found[f'{name}_bytes'] / 2**20:.0f}")
    table.add_row("ready after", f"{found['ready_seconds']:.0f} s")
    Console(width=80).print(table)


if __name__ == "__main__":
    try:
        main()
    except UnavailableError as error:
        sys.exit(str(error))
