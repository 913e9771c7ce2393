"""Our extender beside a sandbox: its mode, its port, what it is told, and whether it is ready."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import yaml

from energy.errors import InputError, UnavailableError
from simulator.sandbox.companions import EXTENDER_MODULE, Companion
from simulator.sandbox.ports import LOOPBACK, free_ports
from simulator.sandbox.prometheus_configuration import EXTENDER_PORT
from simulator.sandbox.record import ACT, EXTENDER, NO_EXTENDER, Program, SandboxOptions
from simulator.sandbox.scheduler_file import unlimited_client
from simulator.sandbox.trial_arms import DEFAULT_SCHEDULER, with_extender

ENVIRONMENT = "NEGAWATT_EXTENDER__"
READY_PATH = "/readyz"
LEDGER = "ledger.sqlite"
#: Its extras; whoever started a sandbox for its control plane alone may have none of them.
LIBRARIES = ("fastapi", "kubernetes", "prometheus_api_client", "sqlalchemy", "uvicorn")
#: The shipped 100 ms are for a control plane of its own; here everything shares a machine, and a
#: pod whose answer came too late would be placed as if nobody had been asked.
TIMEOUT = "1s"
#: The configuration that operators copy, in a checkout; a wheel carries none.
SHIPPED = Path(__file__).resolve().parents[2] / "deploy/scheduler/default-scheduler.yaml"


def require_usable(options: SandboxOptions) -> None:
    """Refuse what cannot be had, before anything is made.

    Raises:
        InputError: options that contradict each other.
        UnavailableError: its libraries, or the scheduler's configuration, are not installed.
    """
    if options.nodes_may_sleep and options.extender == NO_EXTENDER and not options.tiers:
        raise InputError(
            "an extender that is left out cannot be told so",
            where="--nodes-may-sleep",
            mend="leave out --no-extender",
        )
    if options.extender != NO_EXTENDER or options.tiers:
        _require_libraries()
    if options.extender == ACT:
        if options.scheduler_configuration is not None:
            raise InputError(
                "an acting extender comes with a configuration of its own",
                where="--scheduler-config",
                mend="leave out --act, and name the extender's port in your configuration",
            )
        _require_shipped()


def _require_libraries() -> None:
    if lacking := [name for name in LIBRARIES if find_spec(name) is None]:
        raise UnavailableError(
            f"the extender needs {lacking[0]}, which is not installed",
            mend="see the extra extender in `negawatt doctor`, or give --no-extender",
        )


def _require_shipped() -> None:
    if not SHIPPED.is_file():
        raise UnavailableError(
            "no scheduler configuration for an acting extender",
            where=str(SHIPPED),
            mend="run it from a checkout, or leave out --act",
        )


def port() -> int:
    """Where the commands look for an extender, unless somebody listens there; then another one."""
    with socket.socket() as listener:
        # As a server binds: what an earlier sandbox' connections left there does not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, EXTENDER_PORT))
        except OSError:
            return free_ports(1)[0]
    return EXTENDER_PORT


def url(extender_port: int) -> str:
    """Where an extender on that port is asked."""
    return f"http://{LOOPBACK}:{extender_port}"


def scheduler_configuration(extender_port: int) -> str:
    """The shipped configuration for the sandbox's own scheduler, its extender on that port, YAML.

    There is one scheduler here, with a client of its own: neither lease nor kubeconfig is named.
    """
    shipped = yaml.safe_load(unlimited_client(SHIPPED))
    told = with_extender(shipped, url(extender_port))
    told["extenders"][0]["httpTimeout"] = TIMEOUT
    told.pop("leaderElection", None)
    told["clientConnection"].pop("kubeconfig", None)
    text: str = yaml.safe_dump(told, sort_keys=False)
    return text


def extender(
    program: Program, folder: Path, ports: Mapping[str, int], options: SandboxOptions
) -> Companion:
    """The extender of a sandbox with these ports and options."""
    command = (
        sys.executable,
        *("-X", f"sandbox={folder}"),  # its settings are variables, and it is known by its folder
        *("-m", EXTENDER_MODULE),
    )
    return Companion(
        name=EXTENDER,
        program=program,
        command=command,
        port=ports["extenderPort"],
        environ=environment(folder, ports, options),
        ready_path=READY_PATH,
    )


def environment(folder: Path, ports: Mapping[str, int], options: SandboxOptions) -> dict[str, str]:
    """Say it all as variables, so that nothing of the user's own environment counts."""
    told = {
        "mode": options.extender,
        "kubeconfig": str(folder / "kubeconfig.yaml"),
        "port": str(ports["extenderPort"]),
        "scheduler_names": DEFAULT_SCHEDULER,
        "nodes_may_sleep": str(options.nodes_may_sleep).lower(),
        "ledger_url": f"sqlite:///{folder / LEDGER}",
        "drain_seconds": "0",
    }
    if options.usage_ratio > 0:  # at 0 there is nothing to scale requests by: it is measured
        told["usage_ratio"] = str(options.usage_ratio)
    if "prometheusPort" in ports:
        told["prometheus_url"] = url(ports["prometheusPort"])
    return {f"{ENVIRONMENT}{name.upper()}": value for name, value in told.items()}
