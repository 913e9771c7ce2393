"""Start a sandbox, and take one down: whole, half started or broken."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from energy.errors import InputError, UnavailableError
from simulator.sandbox import (
    companions,
    extender_companion,
    forecast_companions,
    tiers_companion,
)
from simulator.sandbox.fleet_nodes import drawn_servers
from simulator.sandbox.kwok_cluster import StartError
from simulator.sandbox.kwokctl_configuration import ControlPlaneOptions
from simulator.sandbox.ports import free_ports
from simulator.sandbox.processes import treat_sigterm_as_interrupt
from simulator.sandbox.record import (
    ACT,
    FORECAST,
    FORECASTER,
    KAFKA,
    LOCK,
    METRICS_SERVER,
    PROMETHEUS,
    Program,
    SandboxOptions,
    SandboxRecord,
    command,
    is_sandbox,
    locked,
    require_ours_or_new,
)
from simulator.sandbox.sandbox import SCHEDULER_FILE, Report, Sandbox, control_plane_options
from simulator.sandbox.scheduler_file import unlimited_client
from simulator.sandbox.toolchain import Toolchain

WORDS = {
    "fleet": "servers (--fleet)",
    "nodes": "nodes (--nodes)",
    "extras": "components (--with)",
    "scheduler_configuration": "configuration (--scheduler-config)",
    "usage_ratio": "use of CPU (--usage-ratio)",
    "tier_labels": "labels (--tier-labels)",
    "extender": "mode of the extender (--act, --observe, --no-extender)",
    "tiers": "tiers (--tiers)",
    "nodes_may_sleep": "sleep of nodes (--nodes-may-sleep)",
}


def up(
    options: SandboxOptions,
    folder: Path,
    *,
    environ: Mapping[str, str] = os.environ,
    report: Report = lambda _doing: None,
) -> tuple[Sandbox, bool]:
    """Start a sandbox, or find the one that runs; the second value says whether it was started.

    Entered on the main thread, SIGTERM does what Ctrl-C does: everything begun is ended.

    Raises:
        InputError: an option cannot be used, the folder holds other things, or the sandbox that
            runs there was started with another value of an option that `options` states.
        UnavailableError: the toolchain or a program is missing, or something did not come up; in
            the last case the folder stays for its logs.
    """
    servers = drawn_servers(options.fleet, options.nodes)
    stated = frozenset(options.model_fields_set)
    options = options.model_copy(update={"nodes": sum(servers.values())})
    if options.scheduler_configuration:
        unlimited_client(options.scheduler_configuration)  # refused before anything is made
    extender_companion.require_usable(options)
    tiers_companion.require_usable(options)
    forecast_companions.require_usable(options)
    require_ours_or_new(folder)
    toolchain = Toolchain.found(environ)
    with locked(folder):
        found = _found_running(options, stated, folder)
        if found:
            return found, False
        try:
            sandbox = _prepared(options, folder, toolchain)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        restore_sigterm = treat_sigterm_as_interrupt()
        try:
            sandbox.start(report)
        except BaseException as error:
            sandbox.end_processes()
            if isinstance(error, StartError | UnavailableError):
                raise UnavailableError(
                    f"the sandbox did not start: {error}",
                    where=str(folder),
                    mend=f"read the logs there; `{command('down', folder)}` removes them",
                ) from error
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            restore_sigterm()
        return sandbox, True


def down(folder: Path, *, environ: Mapping[str, str] = os.environ) -> bool:
    """End everything of a sandbox, whole or half started, and remove its folder.

    Gives whether there was one.

    Raises:
        InputError: there is something else in the folder.
        UnavailableError: another command is at work on it.
    """
    require_ours_or_new(folder)
    if not is_sandbox(folder):
        return False
    with locked(folder):
        try:
            sandbox = Sandbox.opened(folder)
        except UnavailableError:
            sandbox = Sandbox(folder, _guessed_record(environ))
        sandbox.end_processes()
        shutil.rmtree(folder)
    return True


def _found_running(options: SandboxOptions, stated: frozenset[str], folder: Path) -> Sandbox | None:
    """Give the sandbox that runs in the folder; clear away one that never came up."""
    record = SandboxRecord.read(folder)
    if record is None:
        return None
    sandbox = Sandbox(folder, record)
    if not record.ready and not sandbox.process_ids():
        for path in folder.iterdir():
            if path.name != LOCK:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return None
    ended = [one.name for one in sandbox.components() if not one.well]
    if ended or not record.ready:
        what = f"{', '.join(ended)} ended" if ended else "its start was cut off"
        raise UnavailableError(
            f"the sandbox there is not whole: {what}",
            where=str(folder),
            mend=f"run `{command('down', folder)}`",
        )
    for name in sorted(stated):
        there = getattr(record.options, name)
        if there != getattr(options, name):
            raise InputError(
                f"the sandbox that runs there has other {WORDS[name]}: {_said(there)}",
                where=str(folder),
                mend=f"run `{command('down', folder)}` first, or give --state another folder",
            )
    return sandbox


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)


def _prepared(options: SandboxOptions, folder: Path, toolchain: Toolchain) -> Sandbox:
    """Choose programs and ports and write all of it down, before anything is started."""
    plane = control_plane_options(options, folder)
    names = [*plane.ports()]
    names += [port for name in companions.names_of(options) for port in companions.PORTS[name]]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    if "extenderPort" in ports:
        ports["extenderPort"] = extender_companion.port()
    if text := _scheduler_configuration(options, ports):
        (folder / SCHEDULER_FILE).write_text(text, encoding="utf-8")
    programs = {name: Program(path=path) for name, path in plane.programs(toolchain).items()}
    programs |= companions.programs_of(options, toolchain)
    record = SandboxRecord(
        options=options,
        toolchain=toolchain.folder,
        programs=programs,
        ports=ports,
        start_seconds=int(time.time()),
    )
    record.write(folder)
    return Sandbox(folder, record)


def _scheduler_configuration(options: SandboxOptions, ports: Mapping[str, int]) -> str:
    if options.extender == ACT:
        return extender_companion.scheduler_configuration(ports["extenderPort"])
    if options.tiers:
        return tiers_companion.scheduler_configuration(options)
    if options.scheduler_configuration:
        return unlimited_client(options.scheduler_configuration)
    return ""


def _guessed_record(environ: Mapping[str, str]) -> SandboxRecord:
    """What a sandbox whose record is broken may consist of."""
    options = SandboxOptions(extras=(METRICS_SERVER,))
    toolchain = Toolchain.found(environ)
    plane = ControlPlaneOptions(metrics_server=True)
    programs = {name: Program(path=path) for name, path in plane.programs(toolchain).items()}
    for extra in ((), (PROMETHEUS,), (KAFKA,), (FORECAST,)):
        try:
            programs |= companions.programs_of(SandboxOptions(extras=extra), toolchain)
        except UnavailableError:
            continue  # what is not installed does not run
    known = tuple(name for name in (METRICS_SERVER, PROMETHEUS, KAFKA) if name in programs)
    if FORECASTER in programs:
        known = (*known, FORECAST)
    return SandboxRecord(
        options=options.model_copy(update={"extras": known}),
        toolchain=toolchain.folder,
        programs=programs,
        ports={},
    )
