"""From a run's record to energy, by each node's curve. It conserves: total = idle + dynamic.

*Idle* is what nodes cost for being there: idle watts while awake, sleeping watts while asleep, and
what waking and shutting down costs. *Dynamic* is what the pods add on top, and what it costs to
start again those that were moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy.profile import NodePowerProfile
from energy.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, kilowatt_hours
from pricing.moves.saving import START_CPU_RATIO, START_SECONDS
from pricing.node_class import CPU_MILLICORES_PER_CORE
from simulator.engine import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyAccount:
    """The energy of a fleet over a window, in joules, and what its nodes did meanwhile."""

    idle_joules: float
    dynamic_joules: float
    transition_joules: float
    active_node_seconds: float
    wakes: int
    end_watts: float
    end_awake_nodes: int
    evictions: int
    move_joules: float
    running_pod_seconds: float

    @property
    def evictions_per_pod_day(self) -> float:
        """Pods that the policy moved, per pod and day that pods ran."""
        pod_days = self.running_pod_seconds / SECONDS_PER_DAY
        return self.evictions / pod_days if pod_days > 0 else 0.0

    @property
    def energy_joules(self) -> float:
        """All wall energy of the fleet; ``transition_joules`` is a part of ``idle_joules``."""
        return self.idle_joules + self.dynamic_joules

    @property
    def energy_kilowatt_hours(self) -> float:
        """All wall energy of the fleet, for reports."""
        return kilowatt_hours(self.energy_joules)

    @property
    def active_node_hours(self) -> float:
        """Hours that nodes carried at least one pod, summed over nodes."""
        return self.active_node_seconds / SECONDS_PER_HOUR


def account(
    run: Run,
    profiles: Sequence[NodePowerProfile],
    cpu_cores: NDArray[np.float64],
    *,
    usage_ratio: float,
    nodes_may_sleep: bool,
    start_seconds: float = 0.0,
) -> EnergyAccount:
    """Integrate the watts of every node from ``start_seconds`` to the end of the run.

    Args:
        run: the record; nodes are empty before their first change.
        profiles: one per node.
        cpu_cores: allocatable cores, one per node.
        usage_ratio: cores used per core requested, 0-1.
        nodes_may_sleep: a node without pods sleeps, else it idles.
        start_seconds: what comes before is warm-up and is not counted.
    """
    spans = _spans(run, len(profiles), start_seconds)
    awake = spans.pods > 0
    standing, dynamic = _span_watts(spans, profiles, cpu_cores, usage_ratio, nodes_may_sleep)
    moves = run.move_seconds > start_seconds
    move_joules = _move_joules(run, profiles, cpu_cores)[moves].sum()
    wakes, transition_joules = (0, 0.0)
    if nodes_may_sleep:
        wakes, transition_joules = _transitions(run, profiles, start_seconds)
    final = spans.last
    return EnergyAccount(
        idle_joules=float((standing * spans.seconds).sum()) + transition_joules,
        dynamic_joules=float((dynamic * spans.seconds).sum() + move_joules),
        transition_joules=transition_joules,
        active_node_seconds=float(spans.seconds[awake].sum()),
        wakes=wakes,
        end_watts=float((standing + dynamic)[final].sum()),
        end_awake_nodes=int(awake[final].sum()) if nodes_may_sleep else len(profiles),
        evictions=int(moves.sum()),
        move_joules=float(move_joules),
        running_pod_seconds=float((spans.pods * spans.seconds).sum()),
    )


def node_watts(
    node: NDArray[np.int64],
    cpu_millicores: NDArray[np.int64],
    profiles: Sequence[NodePowerProfile],
    cpu_cores: NDArray[np.float64],
    usage_ratio: float,
) -> NDArray[np.float64]:
    """Watts of awake nodes at what they carry; ``node`` indexes ``profiles`` and ``cpu_cores``."""
    utilisation_ratio = usage_ratio * cpu_millicores / (1000.0 * cpu_cores[node])
    watts = np.empty(len(node))
    by_curve: dict[object, list[int]] = {}
    for index, profile in enumerate(profiles):
        by_curve.setdefault(profile.curve, []).append(index)
    for members in by_curve.values():
        rows = np.isin(node, members)
        watts[rows] = profiles[members[0]].curve.watts_at_each(utilisation_ratio[rows])
    return watts


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The fleet over time: watts and nodes that carry a pod, at the given moments."""

    seconds: NDArray[np.float64]
    watts: NDArray[np.float64]
    awake_nodes: NDArray[np.int64]


def series(
    run: Run,
    profiles: Sequence[NodePowerProfile],
    cpu_cores: NDArray[np.float64],
    seconds: NDArray[np.float64],
    *,
    usage_ratio: float,
    nodes_may_sleep: bool,
) -> Series:
    """Watts and awake nodes at ``seconds``, without what waking costs; arguments as `account`."""
    spans = _spans(run, len(profiles), 0.0)
    standing, dynamic = _span_watts(spans, profiles, cpu_cores, usage_ratio, nodes_may_sleep)
    watts, awake = standing + dynamic, (spans.pods > 0).astype(np.int64)
    first = np.append(True, spans.node[1:] != spans.node[:-1])
    watts_step = np.where(first, watts, np.diff(watts, prepend=0.0))
    awake_step = np.where(first, awake, np.diff(awake, prepend=0))
    order = np.argsort(spans.begin_seconds, kind="stable")
    reached = np.searchsorted(spans.begin_seconds[order], seconds, side="right") - 1
    return Series(
        seconds=seconds,
        watts=np.cumsum(watts_step[order])[reached],
        awake_nodes=np.cumsum(awake_step[order])[reached],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spans:
    """Stretches in which a node's load stayed the same; ``last`` marks each node's final one."""

    node: NDArray[np.int64]
    cpu_millicores: NDArray[np.int64]
    pods: NDArray[np.int64]
    begin_seconds: NDArray[np.float64]
    seconds: NDArray[np.float64]
    last: NDArray[np.bool_]


def _span_watts(
    spans: _Spans,
    profiles: Sequence[NodePowerProfile],
    cpu_cores: NDArray[np.float64],
    usage_ratio: float,
    nodes_may_sleep: bool,  # noqa: FBT001 - private, named at its two calls
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Watts of each span: what the node costs for being there, and what its pods add."""
    idle = np.array([profile.curve.idle_watts for profile in profiles])
    empty = np.array([p.sleep_watts if nodes_may_sleep else p.curve.idle_watts for p in profiles])
    watts = node_watts(spans.node, spans.cpu_millicores, profiles, cpu_cores, usage_ratio)
    awake = spans.pods > 0
    standing = np.where(awake, idle[spans.node], empty[spans.node])
    return standing, np.where(awake, watts - idle[spans.node], 0.0)


def _spans(run: Run, nodes: int, start_seconds: float) -> _Spans:
    """Cut each node's history at its changes and clip it to the window."""
    every = np.arange(nodes, dtype=np.int64)
    zeros = np.zeros(nodes, dtype=np.int64)
    node = np.concatenate([every, run.change_node])
    begin = np.concatenate([np.full(nodes, -np.inf), run.change_seconds])
    cpu_millicores = np.concatenate([zeros, run.change_cpu_millicores])
    pods = np.concatenate([zeros, run.change_pods])
    # A stable sort by node keeps each node's changes in order of time.
    order = np.argsort(node, kind="stable")
    node, begin = node[order], begin[order]
    last = np.append(node[1:] != node[:-1], True)
    end = np.where(last, run.end_seconds, np.append(begin[1:], run.end_seconds))
    seconds = np.maximum(end - np.maximum(begin, start_seconds), 0.0)
    return _Spans(
        node=node,
        cpu_millicores=cpu_millicores[order],
        pods=pods[order],
        begin_seconds=begin,
        seconds=seconds,
        last=last,
    )


def _move_joules(
    run: Run, profiles: Sequence[NodePowerProfile], cpu_cores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What each move costs: the pod starts again, on its target, at the target's dearest core."""
    peak_watts = np.array([profile.curve.peak_watts for profile in profiles])
    watts_per_core = (peak_watts / cpu_cores)[run.move_target]
    starting_cores = START_CPU_RATIO * run.move_cpu_millicores / CPU_MILLICORES_PER_CORE
    joules: NDArray[np.float64] = starting_cores * watts_per_core * START_SECONDS
    return joules


def _transitions(
    run: Run, profiles: Sequence[NodePowerProfile], start_seconds: float
) -> tuple[int, float]:
    """How often nodes woke within the window, and the joules of waking and shutting down."""
    asleep_since = [-math.inf] * len(profiles)
    carries = [0] * len(profiles)
    wakes, joules = 0, 0.0
    for when, node, pods in zip(
        run.change_seconds.tolist(), run.change_node.tolist(), run.change_pods.tolist(), strict=True
    ):
        woke, slept = not carries[node] and pods, carries[node] and not pods
        carries[node] = pods
        if slept:
            asleep_since[node] = when
        # What stands at the start was awake before it. A node that is empty for no time at all,
        # because a waiting pod takes the place of one that leaves, never slept.
        counts = when > start_seconds
        if counts and slept:
            joules += profiles[node].shutdown_joules
        elif counts and woke and asleep_since[node] == when:
            joules -= profiles[node].shutdown_joules
        elif counts and woke:
            wakes += 1
            joules += profiles[node].wake_joules
    return wakes, joules
