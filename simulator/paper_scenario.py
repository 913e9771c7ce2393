"""The paper's objective 4: its service against round robin and random, on the same tasks.

The tasks are the standard burst's. Where no file of pods is given they are drawn from openb's mix,
which travels with the simulator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from typing_extensions import override

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from simulator.chooser import NOWHERE, Chooser
from simulator.churn import ShapeTable
from simulator.engine import run
from simulator.fleet import Fleet
from simulator.pod_file import PodRecord
from simulator.policies import BOUND, LABEL, PREDICT_FOREST, PREDICT_REGRESSOR
from simulator.policy import Setting
from simulator.prediction_chooser import ForestChooser, RegressorChooser
from simulator.stream import PodStream

PAPER_POLICIES: Final = (
    "random",
    "round-robin",
    PREDICT_FOREST,
    PREDICT_REGRESSOR,
    LABEL,
    "negawatt",
    BOUND,
)
#: Enough that seeds draw different tasks; openb's own list has as many.
TASKS_DRAWN: Final = 8000
_FULL_USE: Final = Setting(usage_ratio=1.0, nodes_may_sleep=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often both models of the service choose alike, of tasks that fit somewhere.

    Each task is put where the regressor says, so that both see the same state. ``same_class``
    counts servers of one type as one: between two that are alike nothing is at stake.
    """

    tasks: int
    same_server: int
    same_class: int

    def to_json(self) -> dict[str, float | int | None]:
        """As plain values."""
        return {
            "tasks": self.tasks,
            "same_server_ratio": _ratio(self.same_server, self.tasks),
            "same_class_ratio": _ratio(self.same_class, self.tasks),
        }


def shipped_tasks() -> tuple[PodRecord, ...]:
    """Tasks in openb's mix; always the same ones."""
    table = ShapeTable.shipped()
    shapes, _ = table.draw(TASKS_DRAWN, np.random.default_rng(0))
    return tuple(
        PodRecord(
            name=f"task-{number}",
            cpu_millicores=int(table.cpu_millicores[shape]),
            memory_mebibytes=int(table.memory_mebibytes[shape]),
            arrival_seconds=0.0,
            lifetime_seconds=float("inf"),
        )
        for number, shape in enumerate(shapes)
    )


def agreement(stream: PodStream, fleet: Fleet, *, clock: Callable[[], float]) -> Agreement:
    """Place the stream by the regressor and ask the forest about each task, too."""
    both = _Both(fleet)
    run(fleet.nodes, stream, both, end_seconds=0.0, clock=clock)
    chosen = np.array(both.chosen, dtype=np.int64).reshape(-1, 2)
    same_server = chosen[:, 0] == chosen[:, 1]
    class_of_node = fleet.classes.class_of_node
    same_class = class_of_node[chosen[:, 0]] == class_of_node[chosen[:, 1]]
    return Agreement(
        tasks=len(chosen), same_server=int(same_server.sum()), same_class=int(same_class.sum())
    )


class _Both(Chooser):
    """The regressor's choice, with the forest's beside it."""

    def __init__(self, fleet: Fleet) -> None:
        self._regressor = RegressorChooser(fleet, _FULL_USE)
        self._forest = ForestChooser(fleet, _FULL_USE)
        self.chosen: list[tuple[int, int]] = []

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        first = self._regressor.choose(table, pod, now_seconds)
        if first != NOWHERE:
            self.chosen.append((first, self._forest.choose(table, pod, now_seconds)))
        return first


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
