"""The program that bounds placement: which classes should carry which shapes, at how many watts.

Its variables count pods per shape and class (x), nodes per class and measured load point (y), and
sleeping nodes per class (off). With x and y integer it is the bound for a burst; relaxed, with
free moves, it bounds what a stream of pods costs at each moment. Formulation: bid-price control
in network revenue management (Talluri and van Ryzin 1998) over piecewise linear power curves.

  min  sum_g [ sum_k P_g(b_k) y_gk + sleep_g off_g ]
  s.t. sum_k y_gk + off_g = N_g                                       nodes of class g
       sum_k (b_k / usage) C_g y_gk       >= sum_t cpu_t x_tg         cores
       sum_k M_g y_gk                     >= sum_t memory_t x_tg      memory
       sum_g x_tg = d_t                                               every pod is placed

``usage`` is what pods use of each core they request: a node whose requests are full runs at it, so
the load points b_k are the measured ones below it, and it. Relaxed, the program is a lower bound
of any placement. With whole pods and whole nodes at load points it is what bursts are compared
with: nodes between two points may lie below it, on the standard burst by less than half a percent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from energy.errors import InputError
from energy.power_curve import LOAD_LEVELS
from pricing.node_class import NodeClass

# HiGHS works best with coefficients near one; memory enters the program in gibibytes.
BYTES_PER_GIBIBYTE = 2**30
# The gap at which a burst's bound counts as solved.
RELATIVE_GAP = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Pods alike in requests. Both arrays have one entry per shape."""

    cpu_cores: NDArray[np.float64]
    memory_bytes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.cpu_cores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The least watts the demand can cost, and how far the solver came.

    ``watts`` is the solver's dual bound, so it never exceeds the program's optimum.
    ``awake_nodes`` is the primal's count of nodes that are on.
    """

    watts: float
    awake_nodes: float
    relative_gap: float


class PlacementProgram:
    """The program over fixed classes and shapes; only the demand changes between solves.

    A relaxed program keeps its basis, so the next demand starts from the last optimum.
    """

    def __init__(
        self,
        classes: Sequence[NodeClass],
        shapes: Shapes,
        *,
        usage_ratio: float,
        nodes_may_sleep: bool,
        integer: bool,
    ) -> None:
        if not 0.0 < usage_ratio <= 1.0:
            raise InputError(f"usage ratio {usage_ratio} is outside (0, 1]")
        self._classes = tuple(classes)
        self._shapes = shapes
        self._integer = integer
        # highspy's own stubs lack some of the calls used here.
        self._solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        self._solver.silent()
        self._solver.setOptionValue("threads", 1)
        self._solver.setOptionValue("mip_rel_gap", RELATIVE_GAP)
        self._demand_rows = np.arange(len(shapes), dtype=np.int32)
        self._node_columns = self._build(usage_ratio, nodes_may_sleep=nodes_may_sleep)

    def solve(self, counts: NDArray[np.float64], *, deadline_seconds: float = 60.0) -> Bound | None:
        """Bound the watts of ``counts`` pods per shape.

        At the deadline the dual bound reached so far is returned with its gap. None where the
        pods do not fit the fleet, or nothing was found in time.
        """
        demand = np.ascontiguousarray(counts, dtype=np.float64)
        self._solver.setOptionValue("time_limit", self._solver.getRunTime() + deadline_seconds)
        self._solver.changeRowsBounds(len(demand), self._demand_rows, demand, demand)
        self._solver.run()
        info = self._solver.getInfo()
        if self._integer:
            watts, gap = float(info.mip_dual_bound), float(info.mip_gap)
        else:
            optimal = self._solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
            watts = float(info.objective_function_value) if optimal else math.inf
            gap = 0.0
        values = np.asarray(self._solver.getSolution().col_value)
        if not math.isfinite(watts) or not len(values):
            return None
        awake = float(values[self._node_columns].sum())
        return Bound(watts=watts, awake_nodes=awake, relative_gap=gap)

    def _build(self, usage_ratio: float, *, nodes_may_sleep: bool) -> NDArray[np.int64]:
        """Pass the model's columns and rows to HiGHS; return the columns that count awake nodes."""
        columns = _Columns(rows=len(self._shapes))
        node_columns: list[int] = []
        for number, group in enumerate(self._classes):
            nodes_row = columns.row(float(group.count), float(group.count))
            cores_row = columns.row(0.0, highspy.kHighsInf)
            memory_row = columns.row(0.0, highspy.kHighsInf)
            memory_gibibytes = group.memory_bytes / BYTES_PER_GIBIBYTE
            for ratio in _load_points(group, usage_ratio):
                watts = group.curve.watts_at(ratio)
                usable_cores = ratio / usage_ratio * group.cpu_cores
                entries = [
                    (nodes_row, 1.0),
                    (cores_row, usable_cores),
                    (memory_row, memory_gibibytes),
                ]
                node_columns.append(columns.add(watts, float(group.count), entries))
            if nodes_may_sleep:
                columns.add(group.profile.sleep_watts, float(group.count), [(nodes_row, 1.0)])
            self._add_shapes(columns, number, cores_row, memory_row)
        columns.load(self._solver, integer=self._integer)
        return np.asarray(node_columns, dtype=np.int64)

    def _add_shapes(self, columns: _Columns, number: int, cores_row: int, memory_row: int) -> None:
        """Add x for every shape that fits an empty node of the class."""
        group = self._classes[number]
        memory_gibibytes = self._shapes.memory_bytes / BYTES_PER_GIBIBYTE
        fits = (self._shapes.cpu_cores <= group.cpu_cores) & (
            self._shapes.memory_bytes <= group.memory_bytes
        )
        for shape in np.flatnonzero(fits):
            entries = [
                (int(shape), 1.0),
                (cores_row, -float(self._shapes.cpu_cores[shape])),
                (memory_row, -float(memory_gibibytes[shape])),
            ]
            columns.add(0.0, highspy.kHighsInf, entries)


def _load_points(group: NodeClass, usage_ratio: float) -> list[float]:
    """Load points up to the load of a node whose requests are full, and that load.

    The curve's own points and every tenth, because whole nodes at the two ends of a straight line
    would be no bound of anything.
    """
    points = {*group.curve.utilisation_ratios, *LOAD_LEVELS}
    return [*sorted(ratio for ratio in points if ratio < usage_ratio), usage_ratio]


class _Columns:
    """Collects a column-wise model; the first ``rows`` rows are the shapes' demands."""

    def __init__(self, rows: int) -> None:
        self._lower = [0.0] * rows
        self._upper = [0.0] * rows
        self._cost: list[float] = []
        self._bound: list[float] = []
        self._starts: list[int] = [0]
        self._index: list[int] = []
        self._value: list[float] = []

    def row(self, lower: float, upper: float) -> int:
        """Add a row between two bounds; return its index."""
        self._lower.append(lower)
        self._upper.append(upper)
        return len(self._lower) - 1

    def add(self, cost: float, upper: float, entries: Sequence[tuple[int, float]]) -> int:
        """Add a non-negative column with its non-zero entries; return its index."""
        self._cost.append(cost)
        self._bound.append(upper)
        self._index.extend(row for row, value in entries if value)
        self._value.extend(value for _, value in entries if value)
        self._starts.append(len(self._index))
        return len(self._cost) - 1

    def load(self, solver: Any, *, integer: bool) -> None:  # noqa: ANN401 - see the constructor
        """Hand the model to the solver."""
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(self._cost), len(self._lower)
        model.col_cost_ = np.array(self._cost)
        model.col_lower_ = np.zeros(len(self._cost))
        model.col_upper_ = np.array(self._bound)
        model.row_lower_, model.row_upper_ = np.array(self._lower), np.array(self._upper)
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = np.array(self._starts, dtype=np.int32)
        model.a_matrix_.index_ = np.array(self._index, dtype=np.int32)
        model.a_matrix_.value_ = np.array(self._value)
        if integer:
            model.integrality_ = [highspy.HighsVarType.kInteger] * len(self._cost)
        solver.passModel(model)
