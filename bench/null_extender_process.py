"""Build and run the extender that answers every host with 0 (bench/null_extender, Go)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from energy.errors import UnavailableError
from simulator.sandbox.toolchain import cache_folder
from simulator.sandbox.trial_extender import RunningExtender, running_extender

SOURCE = Path(__file__).parent / "null_extender"
BUILD_SECONDS_MAX = 300.0


def built() -> Path:
    """Build the program into Negawatt's cache folder; a second call takes a moment.

    Raises:
        UnavailableError: there is no Go, or it does not build.
    """
    go = shutil.which("go")
    if go is None:
        raise UnavailableError("no go on PATH", mend="install Go 1.24 or later")
    program = cache_folder(os.environ) / "bench" / "null_extender"
    program.parent.mkdir(parents=True, exist_ok=True)
    answer = subprocess.run(
        [go, "build", "-trimpath", "-o", str(program), "."],
        cwd=SOURCE,
        env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS_MAX,
        check=False,
    )
    if answer.returncode:
        raise UnavailableError(f"go build: {answer.stderr.strip()}", where=str(SOURCE))
    return program


@contextmanager
def null_extender(log: Path) -> Iterator[RunningExtender]:
    """Run it until the block ends. Raises UnavailableError."""
    with running_extender([str(built())], log) as extender:
        yield extender
