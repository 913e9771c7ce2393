"""What the extender answers about pods of the worked example, and what it records of binds."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from cluster.model import Pod
from energy.catalogue import Catalogue
from energy.power_profile import parsed_power_profile
from extender.core import Core
from extender.explanation import Explanation
from extender.options import CoreOptions
from extender.scorer import JsonObject
from simulator.fleet import read_fleet
from simulator.pod_file import read_pods
from simulator.sandbox.fleet_nodes import SERVER_LABEL, power_profiles

EXAMPLE = Path(__file__).parents[1] / "placement-example"
NAMESPACE = "example"


def main() -> None:
    """Print scores for single pods and for the queue, then two binds as they are judged."""
    pods = {
        record.name: replace(record.pod(), namespace=NAMESPACE, scheduler_name="negawatt")
        for record in read_pods(EXAMPLE / "pods.csv").records
    }
    print("each pod alone, on empty servers:")
    for name in ("web-1", "cache-1"):
        _ask(core_of("act"), pods[name])
    print("\nall 22 pods wait:")
    scorer = core_of("act")
    for pod in pods.values():
        scorer.pod_changed(f"{NAMESPACE}/{pod.name}", pod)
    _solve(scorer)
    for name in ("cache-1", "web-1", "batch-1"):
        _ask(scorer, pods[name])
    watcher = core_of("observe")
    for name, node in (("web-1", "old"), *((f"web-{n}", "best") for n in range(2, 9))):
        watcher.pod_changed(f"{NAMESPACE}/{name}", replace(pods[name], node_name=node))
    watcher.pod_changed(f"{NAMESPACE}/web-9", replace(pods["web-9"], node_name="middle"))
    print("\nobserved, another scheduler chose:")
    _judge(watcher, "web-1")
    _judge(watcher, "web-9")


def core_of(mode: str) -> Core:
    """Give a core that knows the three servers, all of them empty."""
    shipped = Catalogue.shipped()
    fleet = read_fleet(EXAMPLE / "nodes.csv", shipped, np.random.default_rng(0))
    servers = [shipped.servers[profile.name] for profile in fleet.profiles]
    written = [parsed_power_profile(one, where="example") for one in power_profiles(servers)]
    options = CoreOptions(mode=mode, usage_ratio=1.0, nodes_may_sleep=True)
    core = Core(options, now=time.time, catalogue=shipped.with_power_profiles(written))
    for node, profile in zip(fleet.nodes, fleet.profiles, strict=True):
        core.node_changed(None, replace(node, labels={SERVER_LABEL: profile.name}))
    core.went_live()
    return core


def _solve(core: Core) -> None:
    """Do at once what the service does on a thread of its own."""
    while (job := core.job()) is not None:
        core.solved(job.solve(time.perf_counter))


def _ask(core: Core, pod: Pod) -> None:
    """Ask why, then as kube-scheduler does."""
    core.pod_changed(f"{NAMESPACE}/{pod.name}", pod)
    best = next(one for one in _explained(core, pod.name).candidates if one.preferred)
    names = list(core.figures().nodes)
    scores = dict(zip(names, core.prioritize(_json(pod), names), strict=True))
    print(f"{pod.name}: {', '.join(f'{name} {score}' for name, score in scores.items())}")
    print(f"  {best.node}: {best.reason}")


def _judge(core: Core, name: str) -> None:
    """Say what was recorded of a bind."""
    judged = _explained(core, name)
    adds = ", ".join(f"{one.node} {one.added_watts.value:.1f} W" for one in judged.candidates)
    print(f"{name} on {judged.node_chosen}, preferred {judged.node_preferred}")
    print(f"  would add by node: {adds}; forgone {judged.forgone_watts:+.1f} W")


def _explained(core: Core, name: str) -> Explanation:
    found = core.explain(NAMESPACE, name)
    if found is None:
        raise LookupError(name)
    return found


def _json(pod: Pod) -> JsonObject:
    requests = {
        "cpu": f"{pod.requests.cpu_millicores}m",
        "memory": str(pod.requests.memory_bytes),
    }
    return {
        "metadata": {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
        "spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]},
    }


if __name__ == "__main__":
    main()
