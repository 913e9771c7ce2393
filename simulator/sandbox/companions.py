"""Processes beside the control plane: the power meter, our services, Prometheus and Kafka.

Each is started so that it outlives the command, and is known again by its program, one argument
and the sandbox's folder in its arguments.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

from energy.errors import UnavailableError
from simulator.sandbox.ports import LOOPBACK, accepts
from simulator.sandbox.processes import running
from simulator.sandbox.prometheus_configuration import TARGETS
from simulator.sandbox.record import (
    BRIDGE,
    EXTENDER,
    FORECAST,
    FORECASTER,
    KAFKA,
    NO_EXTENDER,
    PROMETHEUS,
    TIERS,
    TRAFFIC_REPLAY,
    Program,
    SandboxOptions,
)
from simulator.sandbox.toolchain import Toolchain

METER = "power-meter"
METER_MODULE = "simulator.sandbox.meter"
EXTENDER_MODULE = "extender"
TIERS_MODULE = "extender.tiers"
KAFKA_CLASS = "kafka.Kafka"
FORECAST_MODULES = {
    TRAFFIC_REPLAY: "simulator.sandbox.forecast_replay",
    BRIDGE: "telemetry.bridge",
    FORECASTER: "forecaster",
}
FAULT_FILE = "meter-fault"
RETENTION = "30d"  # it may begin with days of the past
LISTENS_SECONDS_MAX = 120.0  # 3 s on an idle machine
FORMAT_SECONDS_MAX = 120.0
POLL_SECONDS = 0.1
ANSWER_SECONDS_MAX = 5.0
# Its parent ends at once, so that nobody has to wait for it; a session of its own keeps Ctrl-C off.
DETACHED = (
    "import os, sys\nos.fork() and os._exit(0)\nos.setsid()\nos.execv(sys.argv[1], sys.argv[1:])"
)
PORTS: Mapping[str, tuple[str, ...]] = {
    METER: ("powerMeterPort",),
    EXTENDER: ("extenderPort",),
    TIERS: ("tiersPort",),
    PROMETHEUS: ("prometheusPort",),
    KAFKA: ("kafkaPort", "kafkaControllerPort"),
    TRAFFIC_REPLAY: ("trafficReplayPort",),
    BRIDGE: ("bridgePort",),
    FORECASTER: ("forecasterPort",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """One such process: how it is started and where it listens once it is ready.

    `command` names the program as it is to be called: a virtual environment's Python knows by its
    name where its libraries are. `environ` is added to the little that all of them are given.
    Where there is a `ready_path` it is ready once that is answered 200; else once it listens.
    """

    name: str
    program: Program
    command: tuple[str, ...]
    port: int
    environ: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = ""

    def start(self, folder: Path) -> None:
        """Start it with `folder` as its working directory; its words go to its log."""
        with log_of(folder, self.name).open("ab") as log:
            subprocess.run(  # noqa: S603 - our own program, arguments not from a shell
                [sys.executable, "-I", "-S", "-c", DETACHED, *self.command],
                cwd=folder,
                env={**_environment(folder), **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
            )

    def wait_until_ready(self, folder: Path) -> None:
        """Return when it accepts connections, and is ready where it can say so.

        Raises:
            UnavailableError: it ended, or is not ready in time.
        """
        deadline = time.monotonic() + LISTENS_SECONDS_MAX
        absent_before = False
        while not self._ready():
            absent = not process_ids(self.program, folder)
            if absent and absent_before:  # twice: just started, it is not itself yet
                raise UnavailableError(
                    f"{self.name} ended: {_last_line_of(log_of(folder, self.name))}"
                )
            if time.monotonic() > deadline:
                raise UnavailableError(f"{self.name} is not ready on port {self.port}")
            absent_before = absent
            time.sleep(POLL_SECONDS)

    def _ready(self) -> bool:
        return is_ready(self.port, self.ready_path) if self.ready_path else accepts(self.port)


def names_of(options: SandboxOptions) -> list[str]:
    """Name the companions of a sandbox; the meter is always there."""
    ours = [METER] if options.extender == NO_EXTENDER else [METER, EXTENDER]
    if options.tiers:
        ours.append(TIERS)
    ours += [name for name in (PROMETHEUS, KAFKA) if name in options.extras]
    return [*ours, *(FORECAST_MODULES if FORECAST in options.extras else ())]


def programs_of(options: SandboxOptions, toolchain: Toolchain) -> dict[str, Program]:
    """Find the companions' programs; name -> program.

    Raises:
        UnavailableError: one is not installed.
    """
    python = Path(sys.executable).resolve()
    programs = {METER: Program(path=python, argument=METER_MODULE)}
    if options.extender != NO_EXTENDER:
        programs[EXTENDER] = Program(path=python, argument=EXTENDER_MODULE)
    if options.tiers:
        programs[TIERS] = Program(path=python, argument=TIERS_MODULE)
    if PROMETHEUS in options.extras:
        programs[PROMETHEUS] = Program(
            path=installed("prometheus", "apt-get install --no-install-recommends prometheus")
        )
    if KAFKA in options.extras:
        toolchain.home("kafka")
        programs[KAFKA] = Program(
            path=installed("java", "apt-get install openjdk-17-jdk-headless"),
            argument=KAFKA_CLASS,
        )
    if FORECAST in options.extras:
        for name, module in FORECAST_MODULES.items():
            programs[name] = Program(path=python, argument=module)
    return programs


def process_ids(program: Program, folder: Path) -> list[int]:
    """Give the ids of the processes of a companion."""
    return running([program.path], folder, argument=program.argument)


def is_ready(port: int, path: str) -> bool:
    """Whether what listens on `port` of loopback answers `path` with 200."""
    return answer_of(port, path) is not None


def answer_of(port: int, path: str) -> bytes | None:
    """What listens on `port` of loopback answers to `path` with 200; None if it does not."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{LOOPBACK}:{port}{path}", timeout=ANSWER_SECONDS_MAX) as answer:
            body: bytes = answer.read()
            return body if answer.status == HTTPStatus.OK else None
    except (OSError, HTTPException):
        return None


def log_of(folder: Path, name: str) -> Path:
    """Give a companion's log file."""
    return folder / f"{name}.log"


def meter(program: Program, folder: Path, port: int, *, usage_ratio: float) -> Companion:
    """The simulated power meter of the sandbox's nodes."""
    command = (
        *(sys.executable, "-m", METER_MODULE),
        f"--kubeconfig={folder / 'kubeconfig.yaml'}",
        f"--port={port}",
        f"--usage-ratio={usage_ratio}",
        f"--fault-file={folder / FAULT_FILE}",
    )
    return Companion(name=METER, program=program, command=command, port=port)


def prometheus(
    program: Program,
    folder: Path,
    port: int,
    *,
    configuration: str,
    lookback_seconds: int | None = None,
) -> Companion:
    """A Prometheus with this configuration, which is written to its folder.

    `lookback_seconds`: for how long a series that ended is still found; unset: five minutes.
    """
    home = folder / "prometheus"
    (home / TARGETS).mkdir(parents=True, exist_ok=True)
    (home / "prometheus.yml").write_text(configuration, encoding="utf-8")
    command = (
        str(program.path),
        f"--config.file={home / 'prometheus.yml'}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
        *([f"--query.lookback-delta={lookback_seconds}s"] if lookback_seconds else []),
    )
    return Companion(name=PROMETHEUS, program=program, command=command, port=port)


def kafka(
    program: Program, folder: Path, ports: tuple[int, int], *, toolchain: Toolchain
) -> Companion:
    """A broker that is its own controller; formats its storage, which takes some seconds.

    Raises:
        UnavailableError: the toolchain lacks it, or the storage could not be formatted.
    """
    home = folder / "kafka"
    home.mkdir(exist_ok=True)
    properties = home / "server.properties"
    template = toolchain.shared("kafka/server.properties").read_text(encoding="utf-8")
    filled = {"broker_port": ports[0], "controller_port": ports[1], "data_directory": home / "data"}
    for name, value in filled.items():
        template = template.replace(f"{{{name}}}", str(value))
    properties.write_text(template, encoding="utf-8")
    jars = f"{toolchain.home('kafka') / 'lib'}/*"
    tool = [str(program.path), "-cp", jars, "kafka.tools.StorageTool"]
    identity = _said([*tool, "random-uuid"]).strip().splitlines()[-1]
    _said([*tool, "format", "--standalone", "-t", identity, "-c", str(properties)])
    return Companion(
        name=KAFKA,
        program=program,
        command=(str(program.path), "-Xmx512m", "-cp", jars, KAFKA_CLASS, str(properties)),
        port=ports[0],
    )


def _said(command: list[str]) -> str:
    answer = subprocess.run(  # noqa: S603 - our own program, arguments not from a shell
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=FORMAT_SECONDS_MAX,
        check=False,
    )
    if answer.returncode:
        last = (answer.stderr.strip() or answer.stdout.strip() or "it said nothing").splitlines()
        raise UnavailableError(f"the storage of Kafka cannot be formatted: {last[-1]}")
    return answer.stdout


def _environment(folder: Path) -> dict[str, str]:
    # No proxy and no kubeconfig of the user's: what it needs stands in its arguments. Nor may
    # Python import from its working directory, where services keep folders that are named as they.
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return {"HOME": str(folder), "PATH": "/usr/bin:/bin", "PYTHONSAFEPATH": "1", **kept}


def installed(name: str, get: str) -> Path:
    """Find a program on PATH; `get` is how one gets it.

    Raises:
        UnavailableError: it is not there.
    """
    found = shutil.which(name)
    if found is None:
        raise UnavailableError(f"no {name} on PATH", mend=f"on Debian: {get}")
    return Path(found).resolve()


def _last_line_of(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")
