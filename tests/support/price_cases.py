"""Small fleets, states and demands for tests of prices, as strategies and from plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from small_fleets import GIBIBYTE, NEW, OLD, fleet_of

from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile
from pricing.fleet_state import FleetState
from pricing.node_class import NodeClass
from pricing.price_program import PriceProgram
from pricing.terms import Shapes

# Steep at both ends, as measured servers are; its middle lies below the chord.
STEEP = NodePowerProfile(
    name="steep",
    curve=PowerCurve(utilisation_ratios=(0, 0.25, 0.75, 1), watts=(60, 100, 120, 190)),
)
PROFILES = (OLD, NEW, STEEP)


def shapes_of(*pods: tuple[float, float]) -> Shapes:
    """One shape per (cores, GiB) pair."""
    return Shapes(
        cpu_cores=np.array([float(cpu) for cpu, _ in pods]),
        memory_bytes=np.array([float(memory) * GIBIBYTE for _, memory in pods]),
    )


@dataclass(frozen=True)
class Case:
    """What a program is built of and asked."""

    classes: tuple[NodeClass, ...]
    shapes: Shapes
    state: FleetState
    counts: np.ndarray
    usage_ratio: float
    nodes_may_sleep: bool

    def program(self, **terms):
        """The program of the case; ``terms`` replace its own."""
        own = {"usage_ratio": self.usage_ratio, "nodes_may_sleep": self.nodes_may_sleep}
        return PriceProgram(self.classes, self.shapes, **{**own, **terms})

    def with_cores(self, number, cores):
        """The state with so many cores more on a class."""
        return self._with("placed_cpu_cores", number, cores)

    def with_gibibytes(self, number, gibibytes):
        """The state with so many GiB more on a class."""
        return self._with("placed_memory_bytes", number, gibibytes * GIBIBYTE)

    def _with(self, name, number, amount):
        amounts = getattr(self.state, name).copy()
        amounts[number] += amount
        return replace(self.state, **{name: amounts})


@st.composite
def cases(draw, *, empty=False):
    """Two or three classes, up to four shapes, a state that the nodes can be in, a demand."""
    parts = draw(
        st.lists(
            st.tuples(
                st.integers(1, 3),
                st.sampled_from([4, 8, 16]),
                st.sampled_from([8, 16, 64]),
                st.sampled_from(PROFILES),
            ),
            min_size=2,
            max_size=3,
            unique_by=lambda part: part[1:],
        )
    )
    classes = fleet_of(*parts).classes.classes
    sizes = st.tuples(st.sampled_from([0.5, 1, 2, 3]), st.sampled_from([0.5, 1, 3, 7]))
    shapes = shapes_of(*draw(st.lists(sizes, min_size=1, max_size=4, unique=True)))
    state = FleetState.empty(classes)
    if not empty:
        nodes = state.nodes
        awake = np.array([float(draw(st.integers(0, int(count)))) for count in nodes])
        shares = [draw(st.sampled_from([0.25, 0.5, 1.0])) for _ in classes]
        state = replace(
            state,
            awake_nodes=awake,
            placed_cpu_cores=awake * shares * [group.cpu_cores for group in classes],
            placed_memory_bytes=awake * shares * [group.memory_bytes / 2 for group in classes],
        )
    counts = [float(draw(st.integers(0, 8))) for _ in range(len(shapes))]
    return Case(
        classes=classes,
        shapes=shapes,
        state=state,
        counts=np.array(counts),
        usage_ratio=draw(st.sampled_from([0.4, 0.5, 1.0])),
        nodes_may_sleep=draw(st.booleans()),
    )


def value(solution):
    """What the program minimises: watts and penalties."""
    return solution.watts + solution.penalty_watts
