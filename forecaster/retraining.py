"""Training of new models beside serving: when, with which command, and what came of it.

The command is a contract with `forecaster.training`:

    python -m forecaster.training --history FILE.npz --out FOLDER --seed N --budget-seconds S

FILE holds what `Engine.export` gives. It ends with 0 when FOLDER holds a set of models
(`model.json` and its networks), 3 where there is too little history, 4 where a library lacks, and 1
or 2 for what else goes wrong, with the reason in the last line of its standard error.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster.registry import DESCRIPTION

TOO_LITTLE, NO_LIBRARY = 3, 4
#: What training imports; TensorFlow alone is half a gigabyte, so serving has none of them.
LIBRARIES: Final = ("tensorflow", "optuna", "lightgbm", "onnx", "onnxmltools")
NICENESS: Final = 19
#: A run may take this much longer than its budget, for loading and exporting.
SPARE_SECONDS: Final = 900.0
_KINDS: Final = {TOO_LITTLE: "too little history", NO_LIBRARY: "a training library is missing"}
_LINE_MAX: Final = 300
_PREFIX: Final = ".training-"
_LOCK_FILE: Final = "lock"
_PID_FILE: Final = "process.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingPolicy:
    """When new models are trained.

    Attributes:
        interval_seconds: from one training to the next; 0 is never by schedule.
        drift_factor: how much worse than at its training the LSTM's relative MAE may become.
        pause_seconds: between two trainings, whatever drifts.
        scored_count_min: on how many forecasts a drift is told.
    """

    interval_seconds: float = 7 * 86_400.0
    drift_factor: float = 1.3
    pause_seconds: float = 86_400.0
    scored_count_min: float = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The LSTM's relative MAE of late, over how many forecasts, and at its training.

    Both are geometric means, of late over workloads, at its training over traces: were workloads
    pooled, the largest alone would say whether models have drifted.
    """

    scored_count: float
    recent_ratio: float | None
    trained_ratio: float | None


def why_retrain(
    policy: RetrainingPolicy, drift: Drift, *, last_seconds: float, now_seconds: float
) -> str | None:
    """Why new models are to be trained now; None if they are not."""
    passed = now_seconds - last_seconds
    if policy.interval_seconds and passed >= policy.interval_seconds:
        return f"{passed / 3600:.0f} h have passed since the last training"
    if passed < policy.pause_seconds or drift.scored_count < policy.scored_count_min:
        return None
    recent, trained = drift.recent_ratio, drift.trained_ratio
    if recent is None or trained is None or trained <= 0:
        return None
    if recent > policy.drift_factor * trained:
        return f"the LSTM's relative MAE is {recent:.3f} of late and was {trained:.3f} in training"
    return None


def missing_libraries(find: Callable[[str], object] = find_spec) -> str | None:
    """What training lacks here, in one line; None if nothing."""
    if find("forecaster.training") is None or find("forecaster.training.__main__") is None:
        return "forecaster.training is not part of this installation"
    missing = [name for name in LIBRARIES if find(name) is None]
    if not missing:
        return None
    return (
        f"{', '.join(missing)} not installed; run `make training-libraries`, or install the extra"
        " forecaster-training"
    )


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a training: the version's name, or why there is none."""

    version: str | None
    reason: str


class Training:
    """One run in a process of low priority; its folder gets its name when it is whole."""

    def __init__(  # noqa: PLR0913 - the last two have defaults
        self,
        models: Path,
        history: Mapping[str, npt.NDArray[Any]],
        *,
        seed: int,
        budget_seconds: float,
        now_seconds: float,
        # -P: a folder of the same name where the service happens to run is not ours.
        program: Sequence[str] = (sys.executable, "-P", "-m", "forecaster.training"),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start it.

        Raises:
            OSError: the folder cannot be written, or the process not be started.
        """
        moment = datetime.fromtimestamp(now_seconds, UTC)
        self.version = f"{moment:%Y%m%d-%H%M%S}-{seed}"
        self._target = models / self.version
        self._folder = models / f"{_PREFIX}{self.version}"
        self._out = self._folder / "models"
        self._log = self._folder / "log.txt"
        self._monotonic = monotonic
        self._deadline = monotonic() + budget_seconds + SPARE_SECONDS
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        # Ours for as long as we live; no child inherits it.
        self._lock = os.open(self._folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._process = self._started(program, history, seed, budget_seconds)
        except BaseException:
            self._clear()
            raise
        os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)

    def _started(
        self,
        program: Sequence[str],
        history: Mapping[str, npt.NDArray[Any]],
        seed: int,
        budget_seconds: float,
    ) -> subprocess.Popen[bytes]:
        given = self._folder / "history.npz"
        np.savez(given, **dict(history))  # type: ignore[arg-type] # names are no options
        options = {"history": given, "out": self._out, "seed": seed}
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        with self._log.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own module
                [*program, *arguments, "--budget-seconds", f"{budget_seconds:g}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self._folder / _PID_FILE).write_text(f"{process.pid}\n", "utf-8")
        return process

    def finished(self) -> Finished | None:
        """What came of it; None while it runs."""
        code = self._process.poll()
        if code is None:
            if self._monotonic() < self._deadline:
                return None
            self.stop()
            return Finished(None, "training took too long and was ended")
        try:
            return self._result(code)
        finally:
            self._clear()

    def stop(self) -> None:
        """End it, and leave nothing."""
        self._process.kill()
        self._process.wait()
        self._clear()

    def _clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def _result(self, code: int) -> Finished:
        if code:
            kind = _KINDS.get(code, f"training ended with {code}")
            return Finished(None, f"{kind}: {self._last_line()}")
        if not (self._out / DESCRIPTION).is_file():
            return Finished(None, f"training left no {DESCRIPTION}")
        self._out.replace(self._target)
        return Finished(self.version, f"trained as {self.version}")

    def _last_line(self) -> str:
        lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        return lines[-1][:_LINE_MAX] if lines else "it said nothing"


def clear_orphans(models: Path, processes: Path = Path("/proc")) -> tuple[str, ...]:
    """End trainings whose forecaster was killed, and delete what they left; give their names.

    A training whose forecaster lives holds its folder's lock. A process is ended only where its
    command line names the folder: numbers of processes are given anew, and it may have run on
    another machine.
    """
    found = []
    for folder in sorted(models.glob(f"{_PREFIX}*")):
        try:
            lock = os.open(folder / _LOCK_FILE, os.O_RDWR)
        except OSError:
            continue  # only beginning, or cleared by its owner
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            _end(folder, processes)
            shutil.rmtree(folder, ignore_errors=True)
            found.append(folder.name)
        finally:
            os.close(lock)
    return tuple(found)


def _end(folder: Path, processes: Path) -> None:
    try:
        number = int((folder / _PID_FILE).read_text("utf-8"))
        arguments = (processes / str(number) / "cmdline").read_bytes().split(b"\0")
        if os.fsencode(folder / "history.npz") in arguments:
            os.kill(number, signal.SIGKILL)
    except (OSError, ValueError):
        return  # it ended, or none is known
