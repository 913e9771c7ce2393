"""All presets of Prometheus in one round: CPU use, wall watts, package watts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from telemetry.node_load import LoadLimits, NodeDemand, age_fault, load_fault, load_reading
from telemetry.node_names import NodeNames, aliases_of, host_of
from telemetry.node_readings import NodeReading, PresetReadings, readings_of
from telemetry.preset_chain import ChainReadings, Holds, PresetChain, SourceStatus
from telemetry.presets import CPU_PRESETS, PACKAGE_PRESETS, WALL_PRESETS, Preset, QueryScope
from telemetry.prometheus import Prometheus, PrometheusError
from telemetry.sample import Sample

#: A whole rack draws less; whatever says more of one node has slipped a unit.
NODE_WATTS_MAX: Final = 100_000.0
_ALIAS_SECONDS: Final = 60.0
#: So many queries of one round may run out of time before the round is given up.
_TIMEOUTS_MAX: Final = 2
_NOBODY_THERE: Final = frozenset({"unreachable", "not-prometheus"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusReadings:
    """One round of questions; `failures` has one line for each kind of mishap."""

    cpu: ChainReadings
    wall: ChainReadings
    package: ChainReadings
    failures: tuple[str, ...] = ()

    @property
    def statuses(self) -> tuple[SourceStatus, ...]:
        """How each preset fared."""
        return (*self.cpu.statuses, *self.wall.statuses, *self.package.statuses)


class PrometheusReader:
    """Asks one Prometheus, and remembers which presets are worth asking and what nodes are called.

    A Prometheus that hangs costs one round two time-outs, one that is away a refused connection.
    """

    def __init__(self, prometheus: Prometheus, *, limits: LoadLimits, probe_seconds: float) -> None:
        """Prepare; `probe_seconds` is how often presets that brought nothing are tried again."""
        self._prometheus = prometheus
        self._limits = limits
        self._scope = QueryScope(
            window_seconds=prometheus.settings.rate_window_seconds,
            matchers=prometheus.settings.matchers,
        )
        self._cpu = PresetChain(CPU_PRESETS, probe_seconds=probe_seconds)
        self._wall = PresetChain(WALL_PRESETS, probe_seconds=probe_seconds)
        self._package = PresetChain(PACKAGE_PRESETS, probe_seconds=probe_seconds)
        self._claims: tuple[tuple[str, str], ...] = ()
        self._claims_at_seconds = float("-inf")

    def read(self, demands: Mapping[str, NodeDemand], now_seconds: float) -> PrometheusReadings:
        """Read everything once; does not raise."""
        round_ = _Round(self._prometheus)
        nodes = frozenset(demands)
        aliases, _ = aliases_of(nodes, self._known_as(round_, now_seconds))
        names = NodeNames(names=nodes, aliases=aliases)

        def ask(preset: Preset) -> PresetReadings:
            return round_.readings(preset, self._scope, names)

        def is_load(node: str, reading: NodeReading) -> bool:
            found, demand = load_reading(reading, demands[node].cpu_cores), demands[node]
            return not load_fault(demand, found, now_seconds=now_seconds, limits=self._limits)

        def is_power(_: str, reading: NodeReading) -> bool:
            return not power_fault(reading, now_seconds=now_seconds, limits=self._limits)

        def chain(presets: PresetChain, holds: Holds) -> ChainReadings:
            return presets.read(ask, holds, nodes=nodes, now_seconds=now_seconds)

        cpu, wall = chain(self._cpu, is_load), chain(self._wall, is_power)
        package = chain(self._package, is_power)
        return PrometheusReadings(
            cpu=cpu, wall=wall, package=package, failures=tuple(dict.fromkeys(round_.failures))
        )

    def _known_as(self, round_: _Round, now_seconds: float) -> tuple[tuple[str, str], ...]:
        """Return who claims which address: kube-state-metrics, and the host's own name."""
        if 0 <= now_seconds - self._claims_at_seconds < _ALIAS_SECONDS:
            return self._claims
        matchers = f"{{{self._scope.matchers}}}"
        try:
            info = round_.query(f"kube_node_info{matchers}")
            uname = round_.query(f"node_uname_info{matchers}")
        except PrometheusError:
            return self._claims  # what was known is better than nothing
        self._claims = tuple(
            [(_label(one, "internal_ip"), _label(one, "exported_node", "node")) for one in info]
            + [(host_of(_label(one, "instance")), _label(one, "nodename")) for one in uname]
        )
        self._claims_at_seconds = now_seconds
        return self._claims


def power_fault(reading: NodeReading, *, now_seconds: float, limits: LoadLimits) -> str:
    """Say why a power reading does not hold; empty if it does. Its curve may refuse it yet."""
    if reading.value is None:
        return "no number"
    if age := age_fault(reading.sampled_at_seconds, now_seconds=now_seconds, limits=limits):
        return age
    return "" if 0 < reading.value <= NODE_WATTS_MAX else f"absurd, {reading.value:g} W"


class _Round:
    """The queries of one round, given up as soon as going on would only wait."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._timeouts = 0
        self._given_up: PrometheusError | None = None
        self.failures: list[str] = []

    def readings(self, preset: Preset, scope: QueryScope, names: NodeNames) -> PresetReadings:
        values = self.query(preset.value_query(scope))
        times = self.query(preset.time_query(scope)) if values else ()
        return readings_of(preset, values, times, names)

    def query(self, query: str) -> tuple[Sample, ...]:
        if self._given_up:
            raise self._given_up
        try:
            return self._prometheus.query(query)
        except PrometheusError as error:
            self.failures.append(str(error))
            self._timeouts += error.kind == "timed-out"
            if error.kind in _NOBODY_THERE or self._timeouts >= _TIMEOUTS_MAX:
                self._given_up = error
            raise


def _label(sample: Sample, *names: str) -> str:
    """Return the first of these labels that the sample has, or nothing."""
    return next((sample.labels[name] for name in names if sample.labels.get(name)), "")
