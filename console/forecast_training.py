"""What `negawatt forecaster train` does: it reads traces, trains, writes and shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from console.output import JSON, json_text, say, stderr, stdout, write_whole
from console.provenance import commit
from energy.errors import InputError, UnavailableError
from forecaster.evaluation.run import ZERO_SHOT_PREFIX
from forecaster.evaluation.traces import read_traces

if TYPE_CHECKING:
    from forecaster.training.fit import Epoch
    from forecaster.training.search import Trial
    from forecaster.training.series import TrainingSeries
    from forecaster.training.training import Trained, TrainingPlan

TRACES = Path(__file__).parent.parent / "forecaster" / "data" / "traces"
LIBRARIES = ("tensorflow", "keras", "optuna", "lightgbm", "onnx", "onnxmltools")

#: Call with a description and a total; gives a function that advances by one.
Begin = Callable[[str, int], Callable[[str], None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is trained, and where it goes."""

    files: tuple[Path, ...]
    into: Path
    seed: int
    members: int
    budget_seconds: float
    leave_one_out: bool
    epochs: int | None
    synthetic_series: int | None
    boosting: bool

    @classmethod
    def parse(cls, *, files: Sequence[Path], into: Path, **options: Any) -> Request:  # noqa: ANN401 - the other fields
        """Check the options.

        Raises:
            InputError: the folder is a file, or one series is to be left out of one.
        """
        chosen = tuple(files) or tuple(sorted(TRACES.glob("*.csv.gz")))
        if into.exists() and not into.is_dir():
            raise InputError("is no folder", where=str(into), mend="name another with --into")
        if options["leave_one_out"] and len(chosen) == 1:
            raise InputError(
                "needs two series", where="--leave-one-out", mend="name more with --traces"
            )
        return cls(files=chosen, into=into, **options)

    def plan(self) -> TrainingPlan:
        """Return the plan of the options."""
        from forecaster.training.training import TrainingPlan

        plan = TrainingPlan(members=self.members)
        if self.epochs is not None:
            plan = replace(plan, fit=replace(plan.fit, epochs_max=self.epochs))
        if self.synthetic_series is not None:
            draws = replace(plan.draws, synthetic_series=self.synthetic_series)
            plan = replace(plan, draws=draws)
        return plan


def show(request: Request, form: str, report: Path | None) -> None:
    """Train, write the folder and the report, and print it."""
    traces = read_traces(request.files)
    with needs_training_extra(), bars() as begin:
        document = _trained(request, traces, begin)
    if report is not None:
        from console.forecast_training_page import page

        write_whole(report, page(document))
        say(f"written: {report}")
    if form == JSON:
        typer.echo(json_text(document))
        return
    stdout().print(_table(document["models"]))
    say(f"written: {request.into}")


@contextmanager
def needs_training_extra() -> Iterator[None]:
    """Turn a missing training library into one line."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in LIBRARIES:
            raise
        raise UnavailableError(
            f"training needs {error.name}",
            mend="run `make training-libraries`, or install the extra `forecaster-training`",
        ) from None


@contextmanager
def bars() -> Iterator[Begin]:
    """Bars on a terminal's stderr, one for each thing that is trained."""
    columns = (
        TextColumn("{task.description:>36}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}"),
    )
    console = stderr()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def begin(description: str, total: int) -> Callable[[str], None]:
            task = progress.add_task(description, total=total, said="")
            return lambda said: progress.update(task, advance=1, said=said)

        yield begin


def _trained(request: Request, traces: Sequence[Any], begin: Begin) -> dict[str, Any]:
    from forecaster.training.artefact import LSTM_FILE, description, write_models
    from forecaster.training.export import to_onnx
    from forecaster.training.report import document
    from forecaster.training.series import TrainingSeries

    begun = time.monotonic()
    series = [
        TrainingSeries.cleaned(trace.name, trace.first_minute, trace.values) for trace in traces
    ]
    plan, trials = _searched(request, series, begin)
    trained = _networks(plan, series, request.seed, begin)
    zero_shot = _without_each(request, trained, begin) if request.leave_one_out else {}
    described = description(
        trained, created=datetime.now(UTC), commit=commit(), zero_shot=zero_shot
    )
    files = {LSTM_FILE: to_onnx(trained.models), **_trees(request, plan, series, begin)}
    write_models(request.into, files, described)
    return document(trained, described, trials, seconds=time.monotonic() - begun)


def _searched(
    request: Request, series: Sequence[TrainingSeries], begin: Begin
) -> tuple[TrainingPlan, tuple[Trial, ...]]:
    plan = request.plan()
    if not request.budget_seconds:
        return plan, ()
    from forecaster.training.search import search

    advance = begin(f"search, {request.budget_seconds:g} s", plan.fit.epochs_max)
    found = search(
        series,
        plan,
        request.seed,
        request.budget_seconds,
        time.monotonic,
        lambda trial, epoch: advance(f"trial {trial + 1}: {epoch.error:.3f}"),
    )
    return found.plan, found.trials


def _networks(
    plan: TrainingPlan, series: Sequence[TrainingSeries], seed: int, begin: Begin
) -> Trained:
    from forecaster.training.training import train

    advances: dict[int, Callable[[str], None]] = {}

    def advance(number: int, epoch: Epoch) -> None:
        if number not in advances:
            name = f"network {number} of {plan.members}" if number else "network that is judged"
            advances[number] = begin(name, plan.fit.epochs_max)
        error = f", relative MAE {epoch.error:.3f}" if epoch.errors else ""
        advances[number](f"loss {epoch.loss:.3f}{error}")

    return train(series, plan, seed, advance)


def _without_each(request: Request, trained: Trained, begin: Begin) -> dict[str, float]:
    """Train without each series, write `without-<series>`, and return how well it forecasts it."""
    from forecaster.training.artefact import LSTM_FILE, description, write_models
    from forecaster.training.export import to_onnx
    from forecaster.training.training import train_without

    errors = {}
    for left in trained.series:
        advance = begin(f"without {left.name}", trained.plan.fit.epochs_max)
        fitted = train_without(
            left.name,
            trained.series,
            trained.plan,
            request.seed,
            _saying_error(advance),
        )
        errors[left.name] = fitted.best.error
        others = tuple(each for each in trained.series if each.name != left.name)
        part = replace(trained, series=others, models=(fitted.model,), judged=fitted, kept=())
        described = description(part, created=datetime.now(UTC), commit=commit())
        files = {LSTM_FILE: to_onnx(part.models), **_trees(request, part.plan, others, begin)}
        write_models(request.into / f"{ZERO_SHOT_PREFIX}{left.name}", files, described)
    return errors


def _saying_error(advance: Callable[[str], None]) -> Callable[[Epoch], None]:
    return lambda epoch: advance(f"relative MAE {epoch.error:.3f}")


def _trees(
    request: Request, plan: TrainingPlan, series: Sequence[TrainingSeries], begin: Begin
) -> Mapping[str, bytes]:
    if not request.boosting:
        return {}
    from forecaster.training.boosting import GRAPH_FILE, train_boosting

    advance = begin("trees", 1)
    graph = train_boosting(series, plan.keep_ratio, request.seed)
    advance("")
    return {GRAPH_FILE: graph}


def _table(described: Mapping[str, Any]) -> Table:
    """Errors of each series."""
    validation = described["validation"]["lstm"]
    table = Table(title="Relative MAE of the network on the part held back (last value = 1)")
    table.add_column("series")
    for heading in ("learnt from its past", "without the series"):
        table.add_column(heading, justify="right")
    for name, error in validation["series"].items():
        table.add_row(Text(name), _figure(error), _figure(validation["zero_shot"].get(name)))
    table.add_row("geometric mean", _figure(validation["relative_mae_ratio"]), "")
    return table


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
