"""Compare policies on one stream: the same pods, the same fleet, the same seed, one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from energy.units import kilowatt_hours
from simulator.accounting import EnergyAccount, account
from simulator.bounds import fits_fleet, stream_bound_joules, stream_demand
from simulator.engine import Run, run
from simulator.fleet import Fleet
from simulator.policies import BOUND, POLICIES, Setting
from simulator.stream import PodStream, shapes_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamScenario:
    """A stream on a fleet, from the end of the warm-up to the end, at one setting."""

    name: str
    fleet: Fleet
    stream: PodStream
    setting: Setting
    seed: int
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """What a policy cost on a stream. Energies are wall energy of the whole fleet, simulated.

    A figure is None where there is none, as for the bound, which has no placement behind it.
    ``idle`` and ``dynamic`` add up to the energy; ``transition`` is the part of ``idle`` that
    waking and shutting down took. ``bound`` is None where it was not asked for or is infeasible.
    """

    energy_kilowatt_hours: float | None
    idle_kilowatt_hours: float | None
    dynamic_kilowatt_hours: float | None
    transition_kilowatt_hours: float | None
    active_node_hours: float | None
    wakes: int | None
    end_watts: float | None
    end_awake_nodes: int | None
    pending_pods: int
    waited_pod_hours: float | None
    bound_kilowatt_hours: float | None
    decisions_per_second: float | None

    def to_json(self) -> dict[str, float | int | None]:
        """The result as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Progress:
    """Whom to tell how far a comparison is: ``begin`` names a step and its size."""

    begin: Callable[[str, int], None] = lambda _name, _total: None
    advance: Callable[[int], None] = lambda _: None


SILENT = Progress()


def compare(
    scenario: StreamScenario,
    policies: Sequence[str],
    *,
    clock: Callable[[], float],
    progress: Progress = SILENT,
) -> dict[str, PolicyResult]:
    """Run each policy on the scenario; results by policy name, in the order given.

    The bound is computed once if ``bound`` is among the policies, and stands beside each result.
    """
    bound_kilowatt_hours = None
    if BOUND in policies:
        bound_kilowatt_hours = _bound(scenario, progress)
    results = {}
    for name in policies:
        if name == BOUND:
            results[name] = _bound_result(bound_kilowatt_hours, scenario)
            continue
        progress.begin(name, len(scenario.stream))
        record = run_policy(scenario, name, clock=clock, advance=progress.advance)
        results[name] = result_of(scenario, record, bound_kilowatt_hours)
    return results


def run_policy(
    scenario: StreamScenario,
    policy: str,
    *,
    clock: Callable[[], float],
    advance: Callable[[int], None] = lambda _: None,
) -> Run:
    """Place the scenario's stream with one policy."""
    chooser = POLICIES[policy].build(scenario.fleet, scenario.setting, scenario.seed)
    return run(
        scenario.fleet.with_tiers().nodes,
        scenario.stream,
        chooser,
        end_seconds=scenario.end_seconds,
        clock=clock,
        advance=advance,
    )


def account_of(scenario: StreamScenario, record: Run) -> EnergyAccount:
    """The energy of a run at the scenario's setting."""
    return account(
        record,
        scenario.fleet.profiles,
        scenario.fleet.cpu_cores,
        usage_ratio=scenario.setting.usage_ratio,
        nodes_may_sleep=scenario.setting.nodes_may_sleep,
        start_seconds=scenario.start_seconds,
    )


def result_of(
    scenario: StreamScenario, record: Run, bound_kilowatt_hours: float | None
) -> PolicyResult:
    """A run as a row of the table."""
    energy = account_of(scenario, record)
    return PolicyResult(
        energy_kilowatt_hours=energy.energy_kilowatt_hours,
        idle_kilowatt_hours=kilowatt_hours(energy.idle_joules),
        dynamic_kilowatt_hours=kilowatt_hours(energy.dynamic_joules),
        transition_kilowatt_hours=kilowatt_hours(energy.transition_joules),
        active_node_hours=energy.active_node_hours,
        wakes=energy.wakes,
        end_watts=energy.end_watts,
        end_awake_nodes=energy.end_awake_nodes,
        pending_pods=record.pending_pods,
        waited_pod_hours=record.waited_pod_seconds / 3600.0,
        bound_kilowatt_hours=bound_kilowatt_hours,
        decisions_per_second=record.decisions_per_second,
    )


def oversized_pods(stream: PodStream, fleet: Fleet) -> list[str]:
    """Names of pods that are larger than every node; they can only stay pending."""
    shapes, shape_of_pod = shapes_of(stream)
    fits = fits_fleet(shapes, fleet)
    return [
        pod.name for pod, shape in zip(stream.pods, shape_of_pod, strict=True) if not fits[shape]
    ]


def _bound(scenario: StreamScenario, progress: Progress) -> float | None:
    demand = stream_demand(
        scenario.stream, scenario.fleet, scenario.start_seconds, scenario.end_seconds
    )
    progress.begin(BOUND, len(demand.counts))
    joules = stream_bound_joules(demand, scenario.fleet, scenario.setting, progress.advance)
    return None if joules is None else kilowatt_hours(joules)


def _bound_result(bound_kilowatt_hours: float | None, scenario: StreamScenario) -> PolicyResult:
    """The bound as a row: it has an energy, and no placement behind it."""
    return PolicyResult(
        energy_kilowatt_hours=bound_kilowatt_hours,
        idle_kilowatt_hours=None,
        dynamic_kilowatt_hours=None,
        transition_kilowatt_hours=None,
        active_node_hours=None,
        wakes=None,
        end_watts=None,
        end_awake_nodes=None,
        pending_pods=len(oversized_pods(scenario.stream, scenario.fleet)),
        waited_pod_hours=None,
        bound_kilowatt_hours=bound_kilowatt_hours,
        decisions_per_second=None,
    )
