"""Processes of a trial: started by it, measured, paused, and ended with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from energy.errors import UnavailableError
from simulator.sandbox.processes import PROC

START_SECONDS_MAX = 60.0
END_SECONDS_MAX = 10.0
POLL_SECONDS = 0.05
LISTENING = re.compile(r"listening on (http://\S+)")
# Fields of /proc/PID/stat after the command's name: utime and stime.
_UTIME, _STIME = 11, 12


def cpu_seconds(process_id: int) -> float:
    """CPU time that a process has used so far, all threads; ticks are 10 ms."""
    stat = (PROC / str(process_id) / "stat").read_text(encoding="utf-8")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(process_id: int) -> int:
    """Memory that a process holds in RAM."""
    pages = (PROC / str(process_id) / "statm").read_text(encoding="utf-8").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def pause(process_id: int) -> None:
    """Stop a process until `resume`."""
    os.kill(process_id, signal.SIGSTOP)


def resume(process_id: int) -> None:
    """Let a paused process run on."""
    os.kill(process_id, signal.SIGCONT)


class TrialProcess:
    """A program that lives as long as its `with` block; what it says goes to a log file.

    Attributes:
        log: the file.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Prepare a process; `environ` is added to ours."""
        self.log = log
        self._command = list(command)
        self._environ = {**os.environ, **(environ or {})}
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._sink: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._sink = self.log.open("wb")
        self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            self._command,
            env=self._environ,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=self._sink,
            stderr=subprocess.STDOUT,
        )
        return self

    def __exit__(self, *_: object) -> None:
        process, sink = self._process, self._sink
        if process is not None:
            process.send_signal(signal.SIGCONT)  # a paused process would not hear anything else
            process.terminate()
            try:
                process.wait(END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if sink is not None:
            sink.close()

    @property
    def process_id(self) -> int:
        """The process's id."""
        if self._process is None:
            raise UnavailableError("the process has not been started", where=self._command[0])
        return self._process.pid

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition while the process lives.

        Raises:
            UnavailableError: the process ended, or the time is up; with its last words.
        """
        deadline = time.monotonic() + START_SECONDS_MAX
        while not condition():
            ended = self._process is not None and self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise UnavailableError(
                    f"{what}: {'it ended' if ended else 'not in time'}: {self.last_words()}",
                    where=self._command[0],
                )
            time.sleep(POLL_SECONDS)

    def address(self) -> str:
        """Wait until it says where it listens, and give that URL. Raises as `wait_until`."""
        found: list[str] = []

        def said() -> bool:
            found.extend(LISTENING.findall(self.log.read_text(encoding="utf-8", errors="replace")))
            return bool(found)

        self.wait_until(said, "no address")
        return found[0]

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"
