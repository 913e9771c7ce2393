"""Only processes of the sandbox are found, and all of them end."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.sandbox.processes import end, running, treat_sigterm_as_interrupt

PYTHON = Path(sys.executable).resolve()
CLEANS_UP = """
import sys, time
from simulator.sandbox.processes import treat_sigterm_as_interrupt
restore = treat_sigterm_as_interrupt()
try:
    print("ready", flush=True)
    time.sleep(600)
finally:
    restore()
    print("cleaned up", flush=True)
"""
WAIT = "import sys, time; print('ready', flush=True); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAIT


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Give a list for the processes that a test starts; they end with it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python and wait until it is there."""
    process = subprocess.Popen(
        [PYTHON, "-c", script, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_program_and_folder_must_both_match(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    """Neither another sandbox's process nor another program on our folder is ours."""
    ours = start(WAIT, f"--data-dir={tmp_path}/etcd")
    other = start(WAIT, "--data-dir=/elsewhere")
    started += [ours, other]

    assert running([PYTHON], tmp_path) == [ours.pid]
    assert running([Path("/usr/bin/etcd")], tmp_path) == []


def test_folder_whose_name_only_begins_alike_is_another(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    """Taking down `sandbox` leaves `sandbox-2` alone, and a folder of that name elsewhere."""
    folder = tmp_path / "sandbox"
    for argument in (f"{folder}-2/etcd", f"--data-dir={folder}-2", f"/elsewhere{folder}/etcd"):
        started.append(start(WAIT, argument))  # noqa: PERF401 - each is ended should the next fail
    ours = [start(WAIT, f"--config={folder}"), start(WAIT, f"{folder}/x"), start(WAIT, str(folder))]
    started += ours

    assert running([PYTHON], folder) == sorted(process.pid for process in ours)


def test_script_of_an_interpreter_is_told_by_its_argument(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    """The command that takes a sandbox down is Python with the folder's name, too."""
    meter = start(WAIT, "simulator.sandbox.meter", str(tmp_path))
    command = start(WAIT, "negawatt", "sandbox", "down", "--state", str(tmp_path))
    started += [meter, command]

    assert running([PYTHON], tmp_path, argument="simulator.sandbox.meter") == [meter.pid]
    assert running([PYTHON], tmp_path, argument="simulator.sandbox") == []


def test_process_that_ignores_the_request_is_killed(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    """Asking comes first; what does not listen is gone all the same when `end` returns."""
    willing, deaf = start(WAIT, str(tmp_path)), start(DEAF, str(tmp_path))
    started += [willing, deaf]

    end(running([PYTHON], tmp_path), grace_seconds=0.5)

    assert running([PYTHON], tmp_path) == []
    assert (willing.wait(), deaf.wait()) == (-15, -9)


def test_process_that_has_already_ended_is_no_error(started: list[subprocess.Popen[str]]) -> None:
    """Between looking and ending, a process may go by itself."""
    gone = start(WAIT)
    started.append(gone)
    gone.kill()
    gone.wait()

    end([gone.pid])


def test_sigterm_leaves_the_block_that_cleans_up(started: list[subprocess.Popen[str]]) -> None:
    """Whoever ends the process politely leaves nothing of the sandbox behind."""
    process = start(CLEANS_UP)
    started.append(process)
    assert process.stdout is not None

    process.terminate()

    assert process.stdout.readline() == "cleaned up\n"
    assert process.wait() != 0


def test_handler_of_the_program_is_kept_and_ours_is_undone() -> None:
    """The signal belongs to the program; we only fill a gap, and only for a while."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        treat_sigterm_as_interrupt()()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN

        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        restore = treat_sigterm_as_interrupt()
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        restore()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
