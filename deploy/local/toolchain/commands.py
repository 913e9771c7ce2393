"""Run a builder's command: log what it says, show that it lives, end it with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOG_TAIL_LINES = 30
POLL_SECONDS = 0.5
# A terminal is redrawn often; a CI log gets a line now and then, so that nobody takes it for dead.
TERMINAL_SECONDS, LOG_SECONDS = 1.0, 30.0
COMMAND_SECONDS_MAX = 3600.0  # a cold Kubernetes takes seven minutes on two cores


class BuildError(Exception):
    """A command that failed; the message ends with the tail of its log."""


def spoken(seconds: float) -> str:
    """Say a duration: "8 s" or "3 min 05 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@dataclass(slots=True, kw_only=True)
class Progress:
    """What the user sees of one component."""

    title: str
    started: float
    shown: float = 0.0

    @classmethod
    def of(cls, title: str) -> Progress:
        """Begin with a component; its clock starts now."""
        now = time.monotonic()
        return cls(title=title, started=now, shown=now)

    @property
    def seconds(self) -> float:
        """How long it has been going, seconds."""
        return time.monotonic() - self.started

    def alive(self, log: Path) -> None:
        """Show the elapsed time and how much was done, at most as often as the output bears."""
        terminal = sys.stdout.isatty()
        if time.monotonic() - self.shown < (TERMINAL_SECONDS if terminal else LOG_SECONDS):
            return
        self.shown = time.monotonic()
        with log.open("rb") as said:
            lines = sum(1 for _ in said)
        text = f"{self.title}  {spoken(self.seconds)}, {lines} packages compiled or fetched"
        print(f"\r{text}\033[K" if terminal else text, end="" if terminal else "\n", flush=True)

    def done(self, how: str) -> None:
        """Say how it ended."""
        start = "\r" if sys.stdout.isatty() else ""
        end = "\033[K" if sys.stdout.isatty() else ""
        print(f"{start}{self.title}  {how}{end}", flush=True)


def run(
    command: Sequence[str],
    *,
    folder: Path,
    environ: Mapping[str, str],
    log: Path,
    progress: Progress,
) -> None:
    """Run `command` in `folder`, its output appended to `log`.

    Raises:
        BuildError: it failed or took longer than an hour.
    """
    with log.open("ab") as sink:
        sink.write(f"+ {' '.join(command)}\n".encode())
        sink.flush()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(process, log, progress)
        finally:
            _end(process)
    if process.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        raise BuildError(f"{command[0]} ended with {process.returncode}; the end of {log}:\n{tail}")


def _wait(process: subprocess.Popen[bytes], log: Path, progress: Progress) -> None:
    deadline = time.monotonic() + COMMAND_SECONDS_MAX
    while True:
        try:
            process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise BuildError(f"no end after {spoken(COMMAND_SECONDS_MAX)}; see {log}") from None
            progress.alive(log)
        else:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command and what it started: together they are one process group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
