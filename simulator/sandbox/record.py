"""What a sandbox writes down about itself, so that a later command can find and end it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from energy.errors import InputError, UnavailableError

RECORD, LOCK = "sandbox.json", "lock"
PROMETHEUS, METRICS_SERVER, KAFKA = "prometheus", "metrics-server", "kafka"
FORECAST: Final = "forecast"
EXTRAS: Final = (PROMETHEUS, METRICS_SERVER, KAFKA, FORECAST)
#: What an extra cannot do without comes with it.
IMPLIED: Final[Mapping[str, frozenset[str]]] = {FORECAST: frozenset({PROMETHEUS, KAFKA})}
TRAFFIC_REPLAY, BRIDGE, FORECASTER = "traffic-replay", "telemetry-bridge", "forecaster"
USAGE_RATIO: Final = 0.5
MENDS: Final[Mapping[str, str]] = {"usage-ratio": "give 0 to 1"}
EXTENDER: Final = "extender"
TIERS: Final = "tiers"
OBSERVE: Final = "observe"
ACT: Final = "act"
NO_EXTENDER: Final = "none"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SandboxOptions(_Strict):
    """What somebody asked for.

    Attributes:
        fleet: a name of `simulator.fleet.FLEETS`.
        nodes: how many; None: as many as the fleet has.
        extras: what runs beside the control plane, names of `EXTRAS`; what one of them needs is
            added.
        scheduler_configuration: a KubeSchedulerConfiguration file; None: the scheduler's defaults.
        usage_ratio: what a pod uses of the CPU that it requests, where its annotation
            `kwok.x-k8s.io/usage-cpu` does not say.
        tier_labels: put on the labels of the energy tiers, as a careful operator would.
        extender: whether our extender runs beside it, and in which mode; where it acts, the
            scheduler is the shipped one.
        tiers: whether the controller of energy tiers runs beside it; the scheduler is then the one
            that goes by its labels.
        nodes_may_sleep: what extender and controller are told of empty nodes.
    """

    fleet: str = "mixed"
    nodes: int | None = None
    extras: tuple[str, ...] = ()
    scheduler_configuration: Path | None = None
    usage_ratio: float = Field(default=USAGE_RATIO, ge=0, le=1)
    tier_labels: bool = False
    extender: Literal["observe", "act", "none"] = OBSERVE
    tiers: bool = False
    nodes_may_sleep: bool = False

    @field_validator("extras")
    @classmethod
    def _with_what_they_need(cls, extras: tuple[str, ...]) -> tuple[str, ...]:
        implied = {need for name in extras for need in IMPLIED.get(name, ())}
        return tuple(name for name in EXTRAS if name in {*extras, *implied})


class Program(_Strict):
    """A program of the sandbox; `argument` tells its process from others of an interpreter."""

    path: Path
    argument: str = ""


class SandboxRecord(_Strict):
    """Everything that a later command must know.

    Attributes:
        toolchain: the folder of the build that it runs.
        programs: component -> program.
        ports: port -> where it listens on loopback.
        ready: whether the start was seen to its end.
        node_count: nodes that were created.
        power_profile_count: PowerProfiles that were created; 0 where their definition is not here.
        start_seconds: Unix time at which it was prepared; replayed traffic begins then.
    """

    version: Literal[2] = 2
    options: SandboxOptions
    toolchain: Path
    programs: Mapping[str, Program]
    ports: Mapping[str, int]
    ready: bool = False
    node_count: int = 0
    power_profile_count: int = 0
    start_seconds: int = 0

    def write(self, folder: Path) -> None:
        """Write it whole or not at all."""
        temporary = folder / f".{RECORD}"
        temporary.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        temporary.replace(folder / RECORD)

    @classmethod
    def read(cls, folder: Path) -> SandboxRecord | None:
        """Read it; None where there is no sandbox.

        Raises:
            UnavailableError: it is there, but cannot be understood.
        """
        file = folder / RECORD
        try:
            return cls.model_validate_json(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError, UnicodeDecodeError):
            raise UnavailableError(
                "this record of a sandbox cannot be read",
                where=str(file),
                mend=f"run `{command('down', folder)}`",
            ) from None


def state_folder(chosen: Path | None, environ: Mapping[str, str]) -> Path:
    """Where a sandbox lives: what was chosen, $NEGAWATT_SANDBOX, or below $XDG_STATE_HOME."""
    if chosen is None and (named := environ.get("NEGAWATT_SANDBOX")):
        chosen = Path(named)
    if chosen is None:
        base = environ.get("XDG_STATE_HOME")
        chosen = (Path(base) if base else Path("~/.local/state")) / "negawatt" / "sandbox"
    return chosen.expanduser().resolve()


def command(verb: str, folder: Path, environ: Mapping[str, str] = os.environ) -> str:
    """A command on the sandbox of a folder, as one would type it, in whatever terminal."""
    environ = {name: text for name, text in environ.items() if name != "NEGAWATT_SANDBOX"}
    is_elsewhere = folder.resolve() != state_folder(None, environ)
    return f"negawatt sandbox {verb}" + (f" --state {quote(str(folder))}" if is_elsewhere else "")


def is_sandbox(folder: Path) -> bool:
    """Whether a folder is one that we made, as far as its contents tell."""
    return (folder / LOCK).is_file() or (folder / RECORD).is_file()


def require_ours_or_new(folder: Path) -> None:
    """Refuse a folder with other things in it: taking the sandbox down would remove them.

    Raises:
        InputError: it is no folder, or holds what no sandbox put there.
    """
    if folder.is_dir():
        if is_sandbox(folder) or not any(folder.iterdir()):
            return
        problem = "there is something else in this folder"
    elif folder.exists():
        problem = "this is no folder"
    else:
        return
    raise InputError(problem, where=str(folder), mend="give --state another folder")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one command at a time change the sandbox; makes the folder.

    Raises:
        InputError: the folder cannot be made.
        UnavailableError: another command is at work.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        reason = (error.strerror or "cannot be written to").lower()
        raise InputError(reason, where=str(folder), mend="give --state another folder") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(
                "another command is at work on this sandbox", where=str(folder), mend="wait for it"
            ) from None
        yield
    finally:
        os.close(descriptor)


def options_of(**stated: object) -> SandboxOptions:
    """Make options of those that were stated; None: it was not.

    Raises:
        InputError: one of them cannot be used.
    """
    given = {name: value for name, value in stated.items() if value is not None}
    if isinstance(file := given.get("scheduler_configuration"), Path):
        given["scheduler_configuration"] = file.expanduser().resolve()
    try:
        return SandboxOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise InputError(
            f"{first['input']} cannot be used: {first['msg'].lower()}",
            where=f"--{option}",
            mend=MENDS.get(option, ""),
        ) from None


def parse_extras(text: str) -> tuple[str, ...]:
    """Read `prometheus,kafka` into names, each once, in our own order.

    Raises:
        InputError: one of them is unknown.
    """
    named = {word.strip() for word in text.split(",") if word.strip()}
    if unknown := sorted(named - set(EXTRAS)):
        raise InputError(
            f"{unknown[0]!r} cannot be added to a sandbox",
            where="--with",
            mend=f"use {', '.join(EXTRAS)}",
        )
    return tuple(name for name in EXTRAS if name in named)


def as_json(record: SandboxRecord) -> dict[str, object]:
    """The record as JSON-ready values."""
    document: dict[str, object] = json.loads(record.model_dump_json())
    return document
