"""The standard burst: 600 of openb's pods, 40 % of the fleet's cores, nothing leaves.

Graded by the watts of the final placement in four columns: every node on or empty nodes asleep,
pods using all or half of what they request. Real schedulers were measured on exactly this on
Kubernetes 1.36 (docs/reference/placement-standard-20-30-10.md), which makes it an outside oracle.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from energy.errors import InputError
from simulator.fleet import Fleet
from simulator.pod_file import PodRecord, pod_of
from simulator.stream import PodStream, burst

PODS = 600
CPU_LOAD_RATIO = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How a placement is graded: what pods use of their requests, and whether empty nodes sleep."""

    name: str
    usage_ratio: float
    nodes_may_sleep: bool


COLUMNS = (
    Column(name="on_req", usage_ratio=1.0, nodes_may_sleep=False),
    Column(name="on_half", usage_ratio=0.5, nodes_may_sleep=False),
    Column(name="sleep_req", usage_ratio=1.0, nodes_may_sleep=True),
    Column(name="sleep_half", usage_ratio=0.5, nodes_may_sleep=True),
)


def standard_burst(
    records: Sequence[PodRecord], fleet: Fleet, seed: int, load_ratio: float = CPU_LOAD_RATIO
) -> PodStream:
    """Draw the pods of one seed and scale them to the fleet; all arrive at once, in drawn order.

    Together they request `load_ratio` of the fleet's cores.

    Raises:
        InputError: the file has fewer than 600 pods.
    """
    if len(records) < PODS:
        raise InputError(
            f"{len(records)} pods where the standard scenario draws {PODS}",
            mend="give openb's pod list, or another scenario",
        )
    # The benchmark is defined by Python's own generator: another one would draw other pods.
    drawn = random.Random(seed).sample(records, PODS)  # noqa: S311 - simulation, not secrets
    requested_millicores = sum(record.cpu_millicores for record in drawn)
    if requested_millicores == 0:
        raise InputError("the pods request no CPU", mend="give pods with CPU requests")
    factor = load_ratio * 1000 * float(fleet.cpu_cores.sum()) / requested_millicores
    return burst(
        [
            pod_of(
                record.name,
                max(10, round(record.cpu_millicores * factor / 10) * 10),
                max(16, round(record.memory_mebibytes * factor)),
            )
            for record in drawn
        ]
    )
