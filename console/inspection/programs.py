"""Which real components are there: the toolchain, Java, Prometheus and what builds the rest."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from console.inspection.finding import Finding, State, dotted, one_line
from energy.errors import UnavailableError
from simulator.sandbox.toolchain import HOW_TO_GET, BuiltComponent, Toolchain

ANSWER_SECONDS_MAX = 20.0  # a JVM on a busy machine takes a few
CLUSTER = "a real Kubernetes on this machine (`negawatt sandbox up`)"
FOLDER, WHOLE = "toolchain folder", "all that is listed below it"

# What each component of the toolchain is for.
ENABLES = {
    "etcd": CLUSTER,
    "kube-apiserver": CLUSTER,
    "kube-controller-manager": CLUSTER,
    "kube-scheduler": CLUSTER,
    "kubectl": CLUSTER,
    "kwok": CLUSTER,
    "kwokctl": CLUSTER,
    "kwok-metrics": "CPU and memory of simulated pods",
    "metrics-server": "CPU and memory of simulated pods, and the HPA",
    "metrics-server-manifests": "CPU and memory of simulated pods, and the HPA",
    "helm": "tests of the charts",
    "kubeconform": "tests of the manifests",
    "kafka": "tests of the stream on a real broker",
    "kafka-configuration": "tests of the stream on a real broker",
    "jmeter": "load tests with JMeter",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program of the system: how it says its version, what it is for, how to get it.

    `minimum` is the oldest version that will do, such as (1, 26); empty: any.
    """

    arguments: tuple[str, ...]
    enables: str
    get: str
    minimum: tuple[int, ...] = ()
    optional: bool = False


PROGRAMS = {
    "java": Program(
        arguments=("-version",),
        enables="Kafka and JMeter",
        get="on Debian: apt-get install openjdk-17-jdk-headless",
        minimum=(17,),
    ),
    "prometheus": Program(
        arguments=("--version",),
        enables="`negawatt sandbox up --with prometheus`, and tests on a real Prometheus",
        get="on Debian: apt-get install --no-install-recommends prometheus",
    ),
    "promtool": Program(
        arguments=("--version",),
        enables="tests of alert rules",
        get="on Debian: apt-get install --no-install-recommends prometheus",
    ),
    "prometheus-node-exporter": Program(
        arguments=("--version",),
        enables="RAPL counters as a real exporter shows them",
        get="on Debian: apt-get install --no-install-recommends prometheus-node-exporter",
    ),
    "go": Program(
        arguments=("version",),
        enables="`make toolchain`",
        get="Go 1.26 or later from https://go.dev/dl/",
        minimum=(1, 26),
        optional=True,
    ),
    "mvn": Program(
        arguments=("--version",),
        enables="`make toolchain` (Kafka, JMeter)",
        get="on Debian: apt-get install maven",
        optional=True,
    ),
}


def toolchain_findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Ask every component that `make toolchain` builds for its version."""
    try:
        toolchain = Toolchain.found(environ)
        built = toolchain.components()
    except (UnavailableError, OSError, ValueError, KeyError) as error:
        yield _toolchain_finding(FOLDER, State.MISSING, one_line(str(error)), WHOLE)
        for name, enables in ENABLES.items():
            yield _toolchain_finding(name, State.MISSING, "no toolchain", enables)
        return
    yield _toolchain_finding(FOLDER, State.PRESENT, str(toolchain.folder), WHOLE)
    for name, enables in ENABLES.items():
        if name in built:
            yield component_finding(built[name], enables)
        else:
            yield _toolchain_finding(name, State.MISSING, f"not in {toolchain.folder}", enables)


def component_finding(component: BuiltComponent, enables: str) -> Finding:
    """Judge one component: its files are there, and a program says the version it was built as."""
    if not component.is_whole:
        lost = [str(path) for path in component.paths if not path.exists()]
        found = f"its files are gone: {', '.join(lost)}"
        return _toolchain_finding(component.name, State.BROKEN, found, enables)
    if component.answers:
        said = answer([str(component.paths[0]), *component.answers])
        if component.version not in said:
            found = f"says {said or 'nothing'} instead of {component.version}"
            return _toolchain_finding(component.name, State.BROKEN, found, enables)
    return _toolchain_finding(component.name, State.PRESENT, component.version, enables)


def program_findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Look for the system's programs on PATH."""
    for name, program in PROGRAMS.items():
        path = shutil.which(name, path=environ.get("PATH"))
        yield program_finding(name, program, path)


def program_finding(name: str, program: Program, path: str | None) -> Finding:
    """Judge one program by running it for its version."""
    said = answer([path, *program.arguments]) if path else ""
    version = version_in(said)
    if path is None:
        state, found = State.MISSING, "not on PATH"
    elif not version:
        state, found = State.BROKEN, f"{path} says {said or 'nothing'} when asked for its version"
    elif version < program.minimum:
        needed = f"too old: {dotted(program.minimum)} or later is needed"
        state, found = State.BROKEN, f"{dotted(version)} ({path}) is {needed}"
    else:
        state, found = State.PRESENT, f"{dotted(version)} ({path})"
    return Finding(
        topic="programs",
        name=name,
        state=state,
        found=found,
        enables=program.enables,
        get=program.get,
        optional=program.optional,
    )


def version_in(said: str) -> tuple[int, ...]:
    """Find the first version in what a program says; Java's may be one number, such as `"21"`."""
    found = re.search(r'"(\d+(?:\.\d+)*)|(\d+(?:\.\d+)+)', said)
    return tuple(map(int, (found[1] or found[2]).split("."))) if found else ()


def answer(command: Sequence[str | Path]) -> str:
    """Run a program that only says something; gives both its outputs in one line."""
    try:
        done = subprocess.run(  # noqa: S603 - programs that we name, no shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return one_line(str(error))
    return one_line(done.stdout + " " + done.stderr)


def _toolchain_finding(name: str, state: State, found: str, enables: str) -> Finding:
    return Finding(
        topic="toolchain", name=name, state=state, found=found, enables=enables, get=HOW_TO_GET
    )
