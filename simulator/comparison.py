"""Compare policies on one stream: the same pods, the same fleet, the same seed, one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from energy.units import SECONDS_PER_HOUR, kilowatt_hours
from simulator.accounting import EnergyAccount, account
from simulator.bounds import burst_bound, stream_bound_joules, stream_demand
from simulator.chooser import NodeEvent
from simulator.engine import Run, run
from simulator.fleet import Fleet
from simulator.policies import BOUND, POLICIES
from simulator.policy import Setting
from simulator.stream import PodStream, is_burst, realised, shapes_of


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
    events: tuple[NodeEvent, ...] = ()

    def facts(self) -> dict[str, object]:
        """What the figures depend on, for reports."""
        return {
            "scenario": self.name,
            "seed": self.seed,
            "simulated": True,
            "sleep": self.setting.sleep,
            "usage_ratio": self.setting.usage_ratio,
            "nodes": len(self.fleet.nodes),
            "hours": (self.end_seconds - self.start_seconds) / SECONDS_PER_HOUR,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """What a policy cost on a stream. Energies are wall energy of the whole fleet, simulated.

    A figure is None where there is none, as for the bound, which has no placement behind it.
    ``idle`` and ``dynamic`` add up to the energy; ``transition`` is the part of ``idle`` that
    waking and shutting down took. ``evictions`` are the pods that the policy moved. ``bound`` is
    None where it was not asked for or is infeasible.
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
    evictions: int | None
    evictions_per_pod_day: float | None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Results by policy, in the order asked for, and the runs behind them (none for the bound)."""

    results: dict[str, PolicyResult]
    runs: dict[str, Run]


def compare(
    scenario: StreamScenario,
    policies: Sequence[str],
    *,
    clock: Callable[[], float],
    progress: Progress = SILENT,
) -> Comparison:
    """Run each policy on the scenario.

    If ``bound`` is among the policies each result has its bound: of the stream as it came, or,
    where the policy let pods wait, of what it ran and when, since work that waits costs less.
    """
    wants_bound = BOUND in policies
    shared = None
    if wants_bound:
        shared = bound_joules(scenario, scenario.stream, progress, BOUND)
    results: dict[str, PolicyResult] = {}
    runs: dict[str, Run] = {}
    for name in policies:
        if name == BOUND:
            results[name] = _bound_result(shared, scenario)
            continue
        progress.begin(name, len(scenario.stream))
        record = run_policy(scenario, name, clock=clock, advance=progress.advance)
        own = shared
        if wants_bound and record.waited_pod_seconds > 0:
            ran = realised(scenario.stream, record.placed_seconds)
            own = bound_joules(scenario, ran, progress, f"{BOUND} of {name}")
        runs[name], results[name] = record, result_of(scenario, record, own)
    return Comparison(results=results, runs=runs)


def bound_joules(
    scenario: StreamScenario, stream: PodStream, progress: Progress = SILENT, label: str = BOUND
) -> float | None:
    """What the stream costs at least on the scenario's fleet; None where it does not fit it.

    Pods that all stand there from the start to the end are a burst, placed whole.
    """
    fleet, setting = scenario.fleet, scenario.setting
    start, end = scenario.start_seconds, scenario.end_seconds
    if is_burst(stream, start, end):
        bound = burst_bound(stream, fleet, setting)
        return None if bound is None else bound.watts * (end - start)
    demand = stream_demand(stream, fleet, start, end)
    progress.begin(label, len(demand.counts))
    return stream_bound_joules(demand, fleet, setting, progress.advance)


def run_policy(
    scenario: StreamScenario,
    policy: str,
    *,
    clock: Callable[[], float],
    advance: Callable[[int], None] = lambda _: None,
) -> Run:
    """Place the scenario's stream with one policy."""
    placed_by = POLICIES[policy]
    chooser = placed_by.build(scenario.fleet, scenario.setting, scenario.seed)
    chooser.foresee(scenario.stream)
    return run(
        placed_by.nodes(scenario.fleet, scenario.setting),
        scenario.stream,
        chooser,
        end_seconds=scenario.end_seconds,
        clock=clock,
        advance=advance,
        events=scenario.events,
        mover=placed_by.build_mover(scenario.fleet, scenario.setting, chooser),
    )


def placement_key(policy: str, setting: Setting) -> tuple[str, float | None, bool | None]:
    """Equal for policies and settings that place alike."""
    return policy, *POLICIES[policy].setting_key(setting)


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
    scenario: StreamScenario, record: Run, bound_energy_joules: float | None
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
        waited_pod_hours=record.waited_pod_seconds / SECONDS_PER_HOUR,
        evictions=energy.evictions,
        evictions_per_pod_day=energy.evictions_per_pod_day,
        bound_kilowatt_hours=(
            None if bound_energy_joules is None else kilowatt_hours(bound_energy_joules)
        ),
        decisions_per_second=record.decisions_per_second,
    )


def oversized_pods(stream: PodStream, fleet: Fleet) -> list[str]:
    """Names of pods that are larger than every node; they can only stay pending."""
    shapes, shape_of_pod = shapes_of(stream)
    fits = fleet.fits(shapes.cpu_cores, shapes.memory_bytes)
    return [
        pod.name for pod, shape in zip(stream.pods, shape_of_pod, strict=True) if not fits[shape]
    ]


def _bound_result(joules: float | None, scenario: StreamScenario) -> PolicyResult:
    """The bound as a row: it has an energy, and no placement behind it."""
    bound_kilowatt_hours = None if joules is None else kilowatt_hours(joules)
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
        evictions=None,
        evictions_per_pod_day=None,
        bound_kilowatt_hours=bound_kilowatt_hours,
        decisions_per_second=None,
    )
