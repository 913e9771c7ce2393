"""Progress on stderr, and the one line when the training extra is not installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console.output import stderr
from energy.errors import UnavailableError

TRAINING_LIBRARIES = ("sklearn", "lightgbm", "onnx", "onnxmltools", "skl2onnx", "threadpoolctl")


@contextmanager
def steps(total: int) -> Iterator[Callable[[str], None]]:
    """Give a function to call at the beginning of each step; a bar shows on a terminal."""
    columns = (
        TextColumn("{task.description:>24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = stderr()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=total)
        begun = 0

        def begin(name: str) -> None:
            nonlocal begun
            bars.update(task, description=name, completed=begun)
            begun += 1

        yield begin
        bars.update(task, completed=total)


@contextmanager
def needs_training_extra() -> Iterator[None]:
    """Turn a missing training library, or a system library that one needs, into one line.

    LightGBM is tried at once: the other candidates would train for minutes before its turn.
    """
    try:
        from energy.regressor.candidates import light_gbm

        light_gbm()
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in TRAINING_LIBRARIES:
            raise
        raise UnavailableError(
            f"training needs {error.name}", mend="install negawatt with the extra `energy-training`"
        ) from None
