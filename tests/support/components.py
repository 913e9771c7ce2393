"""Which real components are there, and how to get those that are not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import database_servers

from energy.errors import UnavailableError
from simulator.sandbox.kwokctl_configuration import ControlPlaneOptions
from simulator.sandbox.toolchain import Toolchain

JAVA_VERSION_MINIMUM = 17
CHECKOUT = Path(__file__).resolve().parents[2]
SHARED = CHECKOUT.parent / "shared"
#: Whether a test fails where its component is absent.
REQUIRED = os.environ.get("NEGAWATT_REQUIRE_COMPONENTS", "") == "1"
GET_TOOLCHAIN = "run `make toolchain`"
GET_JAVA = "on Debian: apt-get install openjdk-17-jdk-headless"


def _toolchain_lack() -> str:
    built = Toolchain.found(os.environ).components()
    broken = [name for name, component in built.items() if not component.is_whole]
    return f"the toolchain lacks files of {', '.join(broken)}; {GET_TOOLCHAIN}" if broken else ""


def _kube_lack() -> str:
    ControlPlaneOptions().programs(Toolchain.found(os.environ))
    return ""


def _java_lack() -> str:
    java = shutil.which("java")
    if java is None:
        return f"no java on PATH; {GET_JAVA}"
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA_VERSION_MINIMUM:
        return f"{java} is not Java {JAVA_VERSION_MINIMUM} or later; {GET_JAVA}"
    return ""


def _kafka_lack() -> str:
    Toolchain.found(os.environ).home("kafka")
    return _java_lack()


def _jmeter_lack() -> str:
    Toolchain.found(os.environ).home("jmeter")
    return _java_lack()


def _prometheus_lack() -> str:
    if shutil.which("prometheus") and shutil.which("promtool"):
        return ""
    return "no prometheus on PATH; on Debian: apt-get install --no-install-recommends prometheus"


def _mariadb_lack() -> str:
    if all(database_servers.mariadb_programs().values()):
        return ""
    return "no mariadbd; on Debian: apt-get install --no-install-recommends mariadb-server"


def _postgresql_lack() -> str:
    if all(database_servers.postgresql_programs().values()):
        return ""
    return "no postgres; on Debian: apt-get install --no-install-recommends postgresql"


def _tensorflow_lack() -> str:
    absent = [name for name in ("tensorflow", "optuna") if find_spec(name) is None]
    return f"no {' and '.join(absent)}; run `make training-libraries`" if absent else ""


def _shared_lack() -> str:
    return "" if SHARED.is_dir() else f"no development data at {SHARED}"


_LACKS: dict[str, Callable[[], str]] = {
    "toolchain": _toolchain_lack,
    "kube": _kube_lack,
    "kafka": _kafka_lack,
    "jmeter": _jmeter_lack,
    "prometheus": _prometheus_lack,
    "mariadb": _mariadb_lack,
    "postgresql": _postgresql_lack,
    "tensorflow": _tensorflow_lack,
    "shared": _shared_lack,
}
MARKERS = tuple(_LACKS)
# What asking for a fixture implies: without the component the test is skipped, or fails where
# components are required.
MARKER_OF_FIXTURE = {
    "toolchain": "toolchain",
    "control_plane": "kube",
    "kubeconfig": "kube",
    "measured_plane": "kube",
    "sandbox": "kube",
    "sandbox_factory": "kube",
    "shared_folder": "shared",
    "mariadb_server": "mariadb",
    "postgresql_server": "postgresql",
    "kafka_broker": "kafka",
}
# The development data does not travel with the repository, so nobody can be required to have it.
NEVER_REQUIRED = frozenset({"shared"})


@cache
def lack(marker: str) -> str:
    """Say in one line what the component of `marker` lacks and how to get it; "" if it is there."""
    try:
        return _LACKS[marker]()
    except UnavailableError as error:
        return str(error)
