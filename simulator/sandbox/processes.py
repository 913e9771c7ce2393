"""Find and end the processes that a sandbox started, and no others."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

PROC = Path("/proc")
POLL_SECONDS = 0.05


def running(programs: Collection[Path], state_folder: Path, *, argument: str = "") -> list[int]:
    """Give the ids of processes that run one of `programs` on `state_folder`.

    Both must hold: the executable is one of ours and the folder stands in its arguments, alone or
    with something below it. So neither another sandbox nor somebody's editor is meant. `argument`
    must then be one of its arguments as well: an interpreter runs other people's scripts too.
    """
    wanted = {str(program) for program in programs}
    mark = re.compile(rb"(?<![^=:,\0])" + re.escape(os.fsencode(state_folder)) + rb"(?=[/,\0]|$)")
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            program = str((entry / "exe").readlink()).removesuffix(" (deleted)")
            arguments = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # it ended meanwhile, or is not ours to look at
        if program in wanted and mark.search(arguments) and _holds(arguments, argument):
            found.append(int(entry.name))
    return sorted(found)


def _holds(arguments: bytes, argument: str) -> bool:
    return not argument or os.fsencode(argument) in arguments.split(b"\0")


def end(process_ids: Iterable[int], *, grace_seconds: float = 5.0) -> None:
    """Ask the processes to end, wait up to `grace_seconds`, then kill what is left."""
    left = _signalled(process_ids, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while left and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        left = [process_id for process_id in left if _is_alive(process_id)]
    _signalled(left, signal.SIGKILL)
    while any(_is_alive(process_id) for process_id in left):
        time.sleep(POLL_SECONDS)


def treat_sigterm_as_interrupt() -> Callable[[], object]:
    """Let SIGTERM raise KeyboardInterrupt, so that `with` blocks are left; give what undoes it.

    Does nothing where the program has a handler of its own, and off the main thread, where Python
    allows none to be set.
    """
    ours_to_set = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if not ours_to_set:
        return lambda: None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _signalled(process_ids: Iterable[int], number: signal.Signals) -> list[int]:
    reached = []
    for process_id in process_ids:
        try:
            os.kill(process_id, number)
        except ProcessLookupError:
            continue
        reached.append(process_id)
    return reached


def _is_alive(process_id: int) -> bool:
    try:
        state = (PROC / str(process_id) / "stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"  # a zombie runs no more
