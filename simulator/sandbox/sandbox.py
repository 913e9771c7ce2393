"""A cluster that stays: a real control plane, simulated nodes of real servers, a power meter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from energy.catalogue import Catalogue
from energy.errors import UnavailableError
from simulator.sandbox import (
    companions,
    extender_companion,
    forecast_companions,
    population,
    tiers_companion,
)
from simulator.sandbox.exposition import Fault
from simulator.sandbox.fleet_nodes import drawn_servers, sandbox_fleet
from simulator.sandbox.kwok_cluster import KwokCluster
from simulator.sandbox.kwokctl_configuration import ControlPlaneOptions
from simulator.sandbox.ports import accepts
from simulator.sandbox.processes import end
from simulator.sandbox.prometheus_configuration import (
    TARGETS,
    further_target,
    lookback_seconds,
    prometheus_configuration,
)
from simulator.sandbox.record import (
    ACT,
    BRIDGE,
    EXTENDER,
    FORECAST,
    FORECASTER,
    KAFKA,
    METRICS_SERVER,
    PROMETHEUS,
    TIERS,
    TRAFFIC_REPLAY,
    Program,
    SandboxOptions,
    SandboxRecord,
    command,
    locked,
)
from simulator.sandbox.toolchain import Toolchain

GRACE_SECONDS = 1.0
SCHEDULER_FILE = "scheduler.yaml"
RUN = "run"  # what has no mode of its own
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentStatus:
    """One component: whether its process is there, and where it listens (port name -> port).

    `mode` is that of our extender, or of the controller of tiers (`run` for services without
    one), and `ready` what it says of itself; others say nothing.
    """

    name: str
    runs: bool
    ports: Mapping[str, int]
    listens: bool
    mode: str = ""
    ready: bool | None = None

    @property
    def well(self) -> bool:
        """Whether nothing is wrong with it, as far as can be seen from outside."""
        return self.runs and self.listens


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus:
    """What is there; `census` is None where the API server does not answer."""

    components: tuple[ComponentStatus, ...]
    census: population.Census | None
    ready: bool


class Sandbox:
    """A sandbox that was started, by this program or by an earlier one.

    Attributes:
        folder: its state; removed when it is taken down.
        record: what it consists of.
    """

    def __init__(self, folder: Path, record: SandboxRecord) -> None:
        self.folder = folder
        self.record = record
        self.toolchain = Toolchain(folder=record.toolchain)
        plane = control_plane_options(record.options, folder)
        self._cluster = KwokCluster(
            self.toolchain,
            plane,
            folder,
            programs={name: program.path for name, program in self._of_cluster().items()},
            # Others would make kwokctl start, say, a Prometheus of its own.
            ports={name: record.ports[name] for name in plane.ports() if name in record.ports},
        )

    @classmethod
    def opened(cls, folder: Path) -> Sandbox:
        """Give the sandbox of a folder.

        Raises:
            UnavailableError: there is none, or its record cannot be read.
        """
        record = SandboxRecord.read(folder)
        if record is None:
            raise UnavailableError(
                "there is no sandbox", where=str(folder), mend=f"run `{command('up', folder)}`"
            )
        return cls(folder, record)

    @property
    def kubeconfig(self) -> Path:
        """The file with an administrator's credentials."""
        return self._cluster.kubeconfig

    @property
    def kubectl_program(self) -> Path:
        """The kubectl that belongs to the control plane."""
        return self.record.programs["kubectl"].path

    @property
    def ports(self) -> Mapping[str, int]:
        """Where everything listens on loopback; port name -> port."""
        return self.record.ports

    @property
    def urls(self) -> dict[str, str]:
        """What answers over plain HTTP: the power meter, and where they run the others."""
        named = {
            "power_meter": "powerMeterPort",
            "extender": "extenderPort",
            "tiers": "tiersPort",
            "prometheus": "prometheusPort",
            "traffic_replay": "trafficReplayPort",
            "telemetry_bridge": "bridgePort",
            "forecaster": "forecasterPort",
        }
        return {
            name: f"http://127.0.0.1:{self.ports[port]}"
            for name, port in named.items()
            if port in self.ports
        }

    def kubectl(self, *arguments: str, manifest: object = None) -> str:
        """Run kubectl against it; `manifest` (JSON-ready) goes to its input. Gives its output.

        Raises:
            UnavailableError: kubectl failed, or was not done in time.
        """
        return self._cluster.kubectl(*arguments, manifest=manifest)

    def log(self, component: str) -> Path:
        """Give the log file of a component, such as `kube-scheduler` or `power-meter`."""
        if component in companions.names_of(self.record.options):
            return companions.log_of(self.folder, component)
        return self._cluster.log(component)

    def process_ids(self) -> list[int]:
        """Give the ids of all processes that run for it."""
        ours = [
            process_id
            for name in companions.names_of(self.record.options)
            for process_id in companions.process_ids(self.record.programs[name], self.folder)
        ]
        return sorted({*ours, *self._cluster.process_ids()})

    def status(self) -> SandboxStatus:
        """Look at every component, and count nodes and pods. Changes nothing."""
        components = self.components()
        census = None
        # Without etcd the API server keeps everybody waiting.
        if all(one.well for one in components if one.name in ("etcd", "kube-apiserver")):
            with suppress(UnavailableError):
                census = population.census(self.kubectl)
        well = census is not None and census.ready_nodes == census.nodes
        return SandboxStatus(
            components=components,
            census=census,
            ready=self.record.ready
            and well
            and all(one.well and one.ready is not False for one in components),
        )

    def components(self) -> tuple[ComponentStatus, ...]:
        """Look at every component."""
        return tuple(self._component(name) for name in self._components())

    def reset(self) -> None:
        """Remove all workloads and pods outside kube-system, and make nodes and profiles anew.

        Workloads whose traffic is replayed are made anew as well.

        Raises:
            UnavailableError: the API server does not do it.
        """
        with locked(self.folder):
            going = population.remove_workloads(self.kubectl)
            population.remove_nodes(self.kubectl)
            if self.record.power_profile_count:
                population.remove_profiles(self.kubectl)
            self._populate()
            population.wait_until_removed(self.kubectl, going)
            self._create_workloads()
            (self.folder / companions.FAULT_FILE).unlink(missing_ok=True)

    def set_meter_fault(self, fault: Fault) -> None:
        """Let the power meter lie from its next answer on, or tell the truth again (`NONE`)."""
        _replace(self.folder / companions.FAULT_FILE, fault.value)

    def also_scrape(self, job: str, port: int) -> None:
        """Let the sandbox's Prometheus scrape `/metrics` of another port of loopback, as `job`.

        The same job again: its new port.
        """
        folder = self.folder / "prometheus" / TARGETS
        folder.mkdir(exist_ok=True)
        _replace(folder / f"{job}.json", further_target(job, port))

    def end_processes(self) -> None:
        """End every process that runs for it, and no other."""
        end(self.process_ids(), grace_seconds=GRACE_SECONDS)

    def start(self, report: Report) -> None:
        """Start everything and wait until it is ready; the record is already written.

        Raises:
            StartError: the control plane did not come up.
            UnavailableError: something else did not.
        """
        options = self.record.options
        report("starting the control plane")
        with ThreadPoolExecutor(2) as pool:
            kafka = pool.submit(self._start_kafka)
            past = pool.submit(self._fill_prometheus)
            self._cluster.start()
            past.result()
            beside = kafka.result()
        report("starting what runs beside it")
        for companion in self._after_the_control_plane():
            companion.start(self.folder)
            beside.append(companion)
        report(f"creating {options.nodes} nodes")
        later = self._after_the_profiles()
        replay, bridge, forecaster = self._after_the_pods()

        def start_later() -> None:
            for companion in later:
                companion.start(self.folder)

        profiles = self._populate(start_later)
        self._create_workloads()
        for companion in (*replay, *forecaster):
            companion.start(self.folder)
        for companion in (*beside, *later, *replay, *bridge, *forecaster):
            if companion in bridge:  # whatever it reads before the traffic is whole is learnt from
                companion.start(self.folder)
            report(f"waiting for {companion.name}")
            companion.wait_until_ready(self.folder)
        if self._forecasts:
            report("waiting for the first forecasts")
            port = self.ports["forecasterPort"]
            forecast_companions.wait_until_forecast(port, self.record.start_seconds)
        if options.tiers:
            tiers_companion.wait_until_labelled(self.ports["tiersPort"], options.nodes or 0, report)
        found = {"ready": True, "node_count": options.nodes, "power_profile_count": profiles}
        self.record = self.record.model_copy(update=found)
        self.record.write(self.folder)

    def _populate(self, after_profiles: Callable[[], None] = lambda: None) -> int:
        """Create nodes and, beside them, profiles and what follows; give the number of profiles."""
        options, catalogue = self.record.options, Catalogue.shipped()
        servers = drawn_servers(options.fleet, options.nodes)
        fleet = sandbox_fleet(options.fleet, servers, catalogue, tier_labels=options.tier_labels)
        described = [catalogue.servers[slug] for slug in servers]

        def create_profiles() -> int:
            count = population.create_profiles(self.kubectl, described)
            after_profiles()
            return count

        with ThreadPoolExecutor(1) as pool:
            profiles = pool.submit(create_profiles)
            population.create_nodes(self.kubectl, fleet)
            return profiles.result()

    def _of_cluster(self) -> dict[str, Program]:
        # Not kubectl: whoever follows something with it has started it, and it ends by itself.
        others = {"kubectl", *companions.names_of(self.record.options)}
        return {
            name: program for name, program in self.record.programs.items() if name not in others
        }

    def _components(self) -> dict[str, tuple[str, ...]]:
        """Name what runs, and the ports of each."""
        found: dict[str, tuple[str, ...]] = {}
        options = control_plane_options(self.record.options, self.folder)
        for port, component in options.ports().items():
            found[component] = (*found.get(component, ()), port)
        for name in companions.names_of(self.record.options):
            found[name] = companions.PORTS[name]
        return found

    def _component(self, name: str) -> ComponentStatus:
        ports = {port: self.ports[port] for port in self._components()[name]}
        program = self.record.programs[name]
        seen = ComponentStatus(
            name=name,
            runs=bool(companions.process_ids(program, self.folder)),
            ports=ports,
            listens=all(accepts(port) for port in ports.values()),
        )
        modes = {
            EXTENDER: self.record.options.extender,
            TIERS: ACT,
            BRIDGE: RUN,
            FORECASTER: RUN,
        }
        if name not in modes:
            return seen
        (port,) = ports.values()
        ready = companions.is_ready(port, extender_companion.READY_PATH)
        return replace(seen, mode=modes[name], ready=ready)

    def _start_kafka(self) -> list[companions.Companion]:
        """Start it where it is asked for; its storage takes as long as a control plane."""
        if KAFKA not in self.record.options.extras:
            return []
        ports = self.ports["kafkaPort"], self.ports["kafkaControllerPort"]
        program = self.record.programs[KAFKA]
        kafka = companions.kafka(program, self.folder, ports, toolchain=self.toolchain)
        kafka.start(self.folder)
        return [kafka]

    def _after_the_control_plane(self) -> list[companions.Companion]:
        options, programs = self.record.options, self.record.programs
        found = [
            companions.meter(
                programs[companions.METER],
                self.folder,
                self.ports["powerMeterPort"],
                usage_ratio=options.usage_ratio,
            )
        ]
        if PROMETHEUS in options.extras:
            text = prometheus_configuration(
                self.ports,
                certificates=self._cluster.certificates,
                node_count=options.nodes or 1,
            )
            count = options.nodes or 1
            found.append(
                companions.prometheus(
                    programs[PROMETHEUS],
                    self.folder,
                    self.ports["prometheusPort"],
                    configuration=text,
                    lookback_seconds=lookback_seconds(count) if self._forecasts else None,
                )
            )
        return found

    @property
    def _forecasts(self) -> bool:
        return FORECAST in self.record.options.extras

    def _fill_prometheus(self) -> None:
        if self._forecasts:
            forecast_companions.fill_prometheus(self.folder, self.record.start_seconds)

    def _create_workloads(self) -> None:
        if self._forecasts:
            replayed = forecast_companions.workload_manifests(self.record.start_seconds)
            population.create_workloads(self.kubectl, replayed)

    def _after_the_pods(self) -> tuple[list[companions.Companion], ...]:
        """The replay, the bridge and the forecaster, each one or none."""
        if not self._forecasts:
            return [], [], []
        programs = self.record.programs
        replay = forecast_companions.replay(
            programs[TRAFFIC_REPLAY],
            self.folder,
            self.ports,
            start_seconds=self.record.start_seconds,
        )
        bridge = forecast_companions.bridge(programs[BRIDGE], self.folder, self.ports)
        forecaster = forecast_companions.forecaster(programs[FORECASTER], self.folder, self.ports)
        return [replay], [bridge], [forecaster]

    def _after_the_profiles(self) -> list[companions.Companion]:
        # Had it been there before them, it would rank nodes by guessed curves for seconds.
        makers = {EXTENDER: extender_companion.extender, TIERS: tiers_companion.tiers}
        programs = self.record.programs
        return [
            make(programs[name], self.folder, self.ports, self.record.options)
            for name, make in makers.items()
            if name in programs
        ]


def control_plane_options(options: SandboxOptions, folder: Path) -> ControlPlaneOptions:
    """What of a sandbox is for kwokctl to start."""
    return ControlPlaneOptions(
        scheduler_configuration=folder / SCHEDULER_FILE
        if options.scheduler_configuration or options.extender == ACT or options.tiers
        else None,
        metrics_server=METRICS_SERVER in options.extras,
        usage_ratio=options.usage_ratio,
    )


def _replace(file: Path, text: str) -> None:
    """Write a file that somebody may read at any moment."""
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
