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

import highspy
import numpy as np
from numpy.typing import NDArray

from pricing.class_model import ClassModel
from pricing.linear_model import silent_solver
from pricing.node_class import NodeClass
from pricing.terms import BYTES_PER_GIBIBYTE, Shapes, Terms

__all__ = ["BYTES_PER_GIBIBYTE", "RELATIVE_GAP", "Bound", "PlacementProgram", "Shapes"]

# The gap at which a burst's bound counts as solved.
RELATIVE_GAP = 1e-3


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
        terms = Terms.of(
            len(shapes), len(classes), usage_ratio=usage_ratio, nodes_may_sleep=nodes_may_sleep
        )
        self._integer = integer
        self._solver = silent_solver()
        self._solver.setOptionValue("mip_rel_gap", RELATIVE_GAP)
        self._demand_rows = np.arange(len(shapes), dtype=np.int32)
        model = ClassModel(classes, shapes, terms, convex=False)
        model.columns.load(self._solver, integer=integer)
        self._awake_columns = model.awake_columns

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
        awake = float(values[self._awake_columns].sum())
        return Bound(watts=watts, awake_nodes=awake, relative_gap=gap)
