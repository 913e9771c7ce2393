"""The program whose duals price a core and a gigabyte of each class, given what is placed already.

  min  sum_g [ sum_k P_g(b_k) y_gk + sleep_g off_g ] + penalties
  s.t. sum_k y_gk + off_g = N_g                             nodes of class g; off_g <= N_g - on_g
       sum_k (b_k / usage_g) C_g y_gk - sum_t cpu_t x_tg    >= u_g        cores; dual lambda_g
       sum_k M_g y_gk                 - sum_t memory_t x_tg >= m_g        memory; dual mu_g
       likewise for each extended resource
       sum_g x_tg + v_t = d_t                                             demand

It is the program of `pricing.program` in fractions, with a state: u_g cores and m_g bytes are
placed on class g, on_g of its nodes carry pods and cannot sleep. Pods that fit nowhere (v) cost a
penalty instead of making the program infeasible, and are reported (`pricing.overflow`); so is what
is placed beyond a class's capacity, which the program leaves out.

Which duals. Where several are optimal (an unused class, a class that is exactly full) the solver's
own choice is an accident. So the program is solved once as it is, for its value, and once with a
thousandth of the mean pod more on every class: the duals of the second are what one more pod costs
*next*. They are feasible for the first program too, so they price it to within ``gap_watts``, which
is measured: for every other demand and state the value is at least value + prices x change - gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.errors import InputError
from pricing.class_model import ClassModel
from pricing.fleet_state import FleetState
from pricing.linear_model import Floats, silent_solver
from pricing.node_class import NodeClass
from pricing.overflow import ROUNDING, Overflow
from pricing.terms import BYTES_PER_GIBIBYTE, CORES, MEMORY, Shapes, Terms

# Of the mean pod, the part that is added to each class to tell equal duals apart.
NEXT_POD_RATIO = 1e-3
# The solver's tolerance is 1e-7 of a row's unit; less than this would drown in it.
SMALLEST_STEP = 1e-5
# No two rows get quite the same step, lest vertices tie again where pods and nodes are alike: they
# differ by up to this part, spread over the rows by multiples of the golden ratio.
STEP_SPREAD = 0.1
GOLDEN_RATIO = (1.0 + 5.0**0.5) / 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSolution:
    """Prices and the optimum behind them.

    ``watts_per_core`` and ``watts_per_gibibyte`` have one entry per class, ``watts_per_extended``
    an array of them by resource; all per *requested* unit. ``watts_per_pod`` has one entry per
    shape: what one more pod of it costs where it is cheapest. ``watts`` is the power of the fleet
    in the optimum: a lower bound of any placement where all pods fit (``penalty_watts`` is 0).
    ``awake_nodes`` (classes,), ``placed_counts`` (shapes, classes) and ``unplaced_counts``
    (shapes,) are the optimum, in fractions. ``overloaded`` marks the classes on which more is
    placed than they can carry.
    """

    watts_per_core: Floats
    watts_per_gibibyte: Floats
    watts_per_extended: Mapping[str, Floats]
    watts_per_pod: Floats
    watts: float
    penalty_watts: float
    gap_watts: float
    awake_nodes: Floats
    placed_counts: Floats
    unplaced_counts: Floats
    overloaded: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Unsolved:
    """No prices, and why."""

    reason: str


class PriceProgram:
    """The program over fixed classes and shapes; state and demand change between solves.

    Each solve starts from the last basis. ``nodes_may_sleep``, ``usage_ratio`` (of requests, above
    0 and at most 1) and ``ceiling_ratio`` (the utilisation above which no node may be filled) are
    one value or one per class; ``allowed`` (shapes, classes) says which shapes' selectors, taints
    and affinities admit which classes.

    Raises:
        InputError: a ratio is outside (0, 1], or an array has the wrong shape.
    """

    def __init__(
        self,
        classes: Sequence[NodeClass],
        shapes: Shapes,
        *,
        usage_ratio: ArrayLike = 1.0,
        nodes_may_sleep: ArrayLike = True,
        allowed: ArrayLike | None = None,
        ceiling_ratio: ArrayLike = 1.0,
    ) -> None:
        if not classes:
            raise InputError("no classes of nodes to price", mend="give at least one")
        self.classes, self.shapes = tuple(classes), shapes
        self.terms = Terms.of(
            len(shapes),
            len(self.classes),
            usage_ratio=usage_ratio,
            ceiling_ratio=ceiling_ratio,
            nodes_may_sleep=nodes_may_sleep,
            allowed=True if allowed is None else allowed,
        )
        self._model = ClassModel(self.classes, shapes, self.terms, convex=True)
        self._rows = self._model.resources
        self._overflow = Overflow(self._model, self.classes)
        self._solver = silent_solver()
        # A warm start cannot use it, and it costs a cold one more than it saves.
        self._solver.setOptionValue("presolve", "off")
        self._model.columns.load(self._solver, integer=False)

    def solve(
        self, state: FleetState, counts: ArrayLike, *, deadline_seconds: float = 60.0
    ) -> PriceSolution | Unsolved:
        """Price the fleet for ``counts`` pods of each shape, over and above the state.

        Raises:
            InputError: a count or an amount of the state is negative or no number.
        """
        demand = np.ascontiguousarray(counts, dtype=np.float64)
        if demand.shape != (len(self.shapes),):
            raise InputError(f"{demand.size} counts for {len(self.shapes)} shapes")
        if not np.all(np.isfinite(demand) & (demand >= 0.0)):
            raise InputError("a count of pods is negative or no number", mend="give 0 or more")
        state.require(self.classes)
        placed = self._rows.amounts(
            {
                CORES: state.placed_cpu_cores,
                MEMORY: state.placed_memory_bytes / BYTES_PER_GIBIBYTE,
                **state.placed_extended,
            }
        )
        room = self._rows.capacities * state.nodes[self._rows.classes]
        overloaded = placed > room + ROUNDING
        placed = np.minimum(placed, room)
        self._set_bounds(state, demand, placed)
        end_seconds = self._solver.getRunTime() + deadline_seconds
        if reason := self._run(end_seconds):
            return Unsolved(reason)
        found = self._solver.getSolution()
        optimum, duals = np.asarray(found.col_value), np.asarray(found.row_dual)
        watts, gap_watts = float(self._solver.getInfo().objective_function_value), 0.0
        step = self._next_pod(demand, state.nodes, placed, room)
        self._set_placed(placed + step)
        # Too late for the second: the duals of the first are optimal too, only less orderly.
        if not self._run(end_seconds):
            duals = np.asarray(self._solver.getSolution().row_dual)
            next_watts = float(self._solver.getInfo().objective_function_value)
            gap_watts = max(0.0, watts - next_watts + float(duals[self._rows.rows] @ step))
        return self._solution(optimum, duals, watts, gap_watts, overloaded)

    def _set_bounds(self, state: FleetState, demand: Floats, placed: Floats) -> None:
        """Write demand, nodes and what is placed into the rows, and who may sleep."""
        asleep = self._model.asleep_columns
        sleepers = np.flatnonzero(asleep >= 0)
        most = np.maximum(0.0, state.nodes - state.awake_nodes)[sleepers]
        self._solver.changeColsBounds(
            len(sleepers), asleep[sleepers].astype(np.int32), np.zeros(len(sleepers)), most
        )
        rows = np.concatenate([np.arange(len(demand)), self._model.nodes_rows]).astype(np.int32)
        bounds = np.concatenate([demand, state.nodes])
        self._solver.changeRowsBounds(len(rows), rows, bounds, bounds)
        self._set_placed(placed)

    def _set_placed(self, placed: Floats) -> None:
        rows = self._rows.rows.astype(np.int32)
        upper = np.full(len(rows), highspy.kHighsInf)
        self._solver.changeRowsBounds(len(rows), rows, np.ascontiguousarray(placed), upper)

    def _run(self, end_seconds: float) -> str:
        """Solve; return why there is no optimum, or nothing."""
        self._solver.setOptionValue("time_limit", max(0.0, end_seconds))
        self._solver.run()
        status = self._solver.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            return ""
        if status == highspy.HighsModelStatus.kTimeLimit:
            return "the program was not solved in time"
        return f"the solver ended with: {self._solver.modelStatusToString(status).lower()}"

    def _next_pod(self, demand: Floats, nodes: Floats, placed: Floats, room: Floats) -> Floats:
        """The little more that is placed on every class, one entry per resource row.

        A class that is full to its last unit gets as much less, because what comes next there is
        that a pod leaves.
        """
        rows = self._rows
        mean = rows.mean_pod(demand, placed, nodes)
        spread = 1.0 + STEP_SPREAD * (np.arange(len(mean)) * GOLDEN_RATIO % 1.0)
        step = np.maximum(NEXT_POD_RATIO * mean, SMALLEST_STEP) * spread
        change: Floats = np.where(room - placed >= step, step, np.maximum(-step, -placed))
        return change

    def _solution(
        self,
        optimum: Floats,
        duals: Floats,
        watts: float,
        gap_watts: float,
        overloaded: NDArray[np.bool_],
    ) -> PriceSolution:
        """Read the optimum and the prices out of the solver's vectors."""
        model, shapes, classes = self._model, len(self.shapes), len(self.classes)
        placed = np.zeros((shapes, classes))
        placed[model.shape_of_placed, model.class_of_placed] = optimum[model.placed_columns]
        penalty_watts = self._overflow.watts(optimum)
        prices = self._rows.prices(np.maximum(0.0, duals[self._rows.rows]) + 0.0, classes)
        return PriceSolution(
            watts_per_core=prices.pop(CORES),
            watts_per_gibibyte=prices.pop(MEMORY),
            watts_per_extended=prices,
            watts_per_pod=duals[:shapes],
            watts=watts - penalty_watts,
            penalty_watts=penalty_watts,
            gap_watts=gap_watts,
            awake_nodes=np.bincount(
                model.class_of_awake, weights=optimum[model.awake_columns], minlength=classes
            ).astype(np.float64),
            placed_counts=placed,
            unplaced_counts=self._overflow.unplaced(optimum),
            overloaded=np.bincount(self._rows.classes, overloaded, minlength=classes) > 0.0,
        )
