"""A chooser that asks another one and keeps its own record of what runs where."""

from __future__ import annotations

from collections import Counter

from simulator.chooser import Chooser
from simulator.engine import run
from simulator.policies import POLICIES
from simulator.policy import Setting

SETTING = Setting(usage_ratio=1.0, nodes_may_sleep=True)


class Witness(Chooser):
    """Counts pods by what it is told; ``running`` holds a (name, node) for each pod that runs."""

    def __init__(self, chooser, scenario):
        self.chooser = chooser
        self.nodes = scenario.fleet.nodes
        self.pods = {pod.name: pod for pod in scenario.stream.pods}
        self.running = Counter()
        self.events = []

    @property
    def finished(self):
        """Pods that left and did not come back."""
        names = {name for name, _ in self.running}
        return len({name for name, kind in self.events if kind == "left"} - names - self.waiting)

    @property
    def waiting(self):
        """Pods that lost their node and have no other yet: left last, asked for, not placed."""
        last = dict(self.events)
        return {name for name, kind in last.items() if kind == "refused"}

    def choose(self, table, pod, now_seconds):
        """What the other chooser says."""
        node = self.chooser.choose(table, pod, now_seconds)
        if node < 0:
            self.events.append((pod.name, "refused"))
        return node

    def queued(self, table, pods, now_seconds):
        """Passed on."""
        self.chooser.queued(table, pods, now_seconds)

    def placed(self, pod, node, now_seconds):
        """Noted and passed on."""
        self.running[pod.name, node] += 1
        self.events.append((pod.name, "placed"))
        self.chooser.placed(pod, node, now_seconds)

    def left(self, pod, node, now_seconds):
        """Noted and passed on; a pod leaves only where it was."""
        assert self.running[pod.name, node] == 1
        del self.running[pod.name, node]
        self.events.append((pod.name, "left"))
        self.chooser.left(pod, node, now_seconds)


def run_watched(scenario, policy="efficiency-order", kind=Witness):
    """Run a scenario under a policy; the record, and the witness that saw it."""
    chosen = POLICIES[policy]
    witness = kind(chosen.build(scenario.fleet, SETTING, 1), scenario)
    record = run(
        scenario.fleet.with_tiers().nodes,
        scenario.stream,
        witness,
        end_seconds=scenario.end_seconds,
        clock=lambda: 0.0,
        events=scenario.events,
        mover=chosen.build_mover(scenario.fleet, SETTING, witness.chooser),
    )
    return record, witness
