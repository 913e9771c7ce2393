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

from collections.abc import Sequence
from dataclasses import replace

import highspy
import numpy as np
from numpy.typing import ArrayLike

from energy.errors import InputError
from pricing.class_model import ClassModel
from pricing.fleet_state import FleetState
from pricing.linear_model import Floats, silent_solver
from pricing.node_class import NodeClass
from pricing.overflow import ROUNDING, Overflow
from pricing.price_solution import PriceSolution, Unsolved
from pricing.terms import BYTES_PER_GIBIBYTE, CORES, MEMORY, Shapes, Terms

__all__ = ["PriceProgram", "PriceSolution", "Unsolved"]

# Of the mean pod, the part that is added to each class to tell equal duals apart.
NEXT_POD_RATIO = 1e-3
# The solver's tolerance is 1e-7 of a row's unit; less than this would drown in it.
SMALLEST_STEP = 1e-5
# No two rows get quite the same step, lest vertices tie again where pods and nodes are alike: they
# differ by up to this part, spread over the rows by multiples of the golden ratio.
STEP_SPREAD = 0.1
GOLDEN_RATIO = (1.0 + 5.0**0.5) / 2.0


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
        demand = self._demand(counts)
        state.require(self.classes)
        rows = self._rows
        room = rows.capacities * state.nodes[rows.classes]
        wanted = self._placed(state)
        placed = np.minimum(wanted, room)
        self._set_bounds(state, demand, placed)
        end_seconds = self._solver.getRunTime() + deadline_seconds
        if reason := self._run(end_seconds):
            return Unsolved(reason)
        optimum, duals, watts = self._found()
        step, gap_watts = self._next_pod(demand, state.nodes, placed, room), 0.0
        self._set_placed(placed + step)
        # Too late for the second: the duals of the first are optimal too, only less orderly.
        if settled := not self._run(end_seconds):
            _, duals, next_watts = self._found()
            gap_watts = max(0.0, watts - next_watts + float(duals[rows.rows] @ step))
        found = self._solution(optimum, duals, watts)
        over = np.bincount(rows.classes, wanted > room + ROUNDING, len(self.classes)) > 0.0
        return replace(found, gap_watts=gap_watts, settled=settled, overloaded=over)

    def _demand(self, counts: ArrayLike) -> Floats:
        demand = np.ascontiguousarray(counts, dtype=np.float64)
        if demand.shape != (len(self.shapes),):
            raise InputError(f"{demand.size} counts for {len(self.shapes)} shapes")
        if not np.all(np.isfinite(demand) & (demand >= 0.0)):
            raise InputError("a count of pods is negative or no number", mend="give 0 or more")
        return demand

    def _placed(self, state: FleetState) -> Floats:
        """What is placed already, one entry per resource row."""
        return self._rows.amounts(
            {
                CORES: state.placed_cpu_cores,
                MEMORY: state.placed_memory_bytes / BYTES_PER_GIBIBYTE,
                **state.placed_extended,
            }
        )

    def _found(self) -> tuple[Floats, Floats, float]:
        """The solver's optimum, its duals and its value."""
        found, info = self._solver.getSolution(), self._solver.getInfo()
        value = float(info.objective_function_value)
        return np.asarray(found.col_value), np.asarray(found.row_dual), value

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

    def _solution(self, optimum: Floats, duals: Floats, value_watts: float) -> PriceSolution:
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
            watts=value_watts - penalty_watts,
            penalty_watts=penalty_watts,
            gap_watts=0.0,
            awake_nodes=np.bincount(
                model.class_of_awake, weights=optimum[model.awake_columns], minlength=classes
            ).astype(np.float64),
            placed_counts=placed,
            unplaced_counts=self._overflow.unplaced(optimum),
            overloaded=np.zeros(classes, dtype=bool),
            settled=True,
        )
