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

from console.forecast_traces import given_traces
from console.output import JSON, json_text, say, stderr, stdout, write_whole
from console.provenance import commit
from energy.errors import InputError, UnavailableError
from forecaster.evaluation.run import ZERO_SHOT_PREFIX
from forecaster.evaluation.scores import geometric_mean

if TYPE_CHECKING:
    from forecaster.training.artefact import ZeroShot
    from forecaster.training.boosting import TrainedTrees
    from forecaster.training.fit import Epoch
    from forecaster.training.search import Trial
    from forecaster.training.series import TrainingSeries
    from forecaster.training.tabular import BoostingSettings
    from forecaster.training.training import Trained, TrainingPlan

TRACES = Path(__file__).parent.parent / "forecaster" / "data" / "traces"
MEMBERS = {"lstm": "network", "lightgbm": "trees"}
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
    trees: int | None

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

    def boosting_settings(self) -> BoostingSettings:
        """Return how the trees learn; the same seed serves both."""
        from forecaster.training.tabular import BoostingSettings

        return BoostingSettings(seed=self.seed).limited(self.trees, self.synthetic_series)


def show(request: Request, form: str, report: Path | None) -> None:
    """Train, write the folder and the report, and print it."""
    traces = given_traces(request.files)
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
    from forecaster.training.artefact import description, write_models
    from forecaster.training.report import document
    from forecaster.training.series import TrainingSeries

    begun = time.monotonic()
    series = [
        TrainingSeries.cleaned(
            trace.name, trace.first_minute, trace.values, step_minutes=trace.step_minutes
        )
        for trace in traces
    ]
    plan, trials = _searched(request, series, begin)
    trained = _networks(plan, series, request.seed, begin)
    trees = _trees(request, plan, series, begin)
    zero_shot = _without_each(request, trained, trees, begin) if request.leave_one_out else None
    described = description(
        trained, trees, created=datetime.now(UTC), commit=commit(), zero_shot=zero_shot
    )
    write_models(request.into, _files(trained, trees), described)
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


def _trees(
    request: Request, plan: TrainingPlan, series: Sequence[TrainingSeries], begin: Begin
) -> TrainedTrees | None:
    if not request.boosting:
        return None
    from forecaster.training.boosting import train_trees

    advance = begin("trees", 2)
    settings = request.boosting_settings()
    return train_trees(series, settings, plan.learn_ratio, plan.keep_ratio, lambda: advance(""))


def _without_each(
    request: Request, trained: Trained, trees: TrainedTrees | None, begin: Begin
) -> ZeroShot:
    """Train without each series, write `without-<series>`, and return how well it forecasts it."""
    from forecaster.training.artefact import ZeroShot, description_without, write_models

    networks, boosted = {}, {}
    for left in (each.name for each in trained.series):
        part, others = _without(left, request, trained, trees, begin)
        networks[left] = part.judged.best.error
        if others:
            boosted[left] = others.errors[left]
        described = description_without(
            left, part, others, created=datetime.now(UTC), commit=commit()
        )
        folder = request.into / f"{ZERO_SHOT_PREFIX}{left}"
        write_models(folder, _files(part, others), described)
    return ZeroShot(networks, boosted)


def _without(
    left: str, request: Request, trained: Trained, trees: TrainedTrees | None, begin: Begin
) -> tuple[Trained, TrainedTrees | None]:
    """Train a network, and trees where there are some, on all series but one."""
    from forecaster.training.boosting import train_trees_without
    from forecaster.training.training import train_without

    plan = trained.plan
    advance = begin(f"without {left}", plan.fit.epochs_max)
    judged = train_without(left, trained.series, plan, request.seed, _saying_error(advance))
    others = tuple(each for each in trained.series if each.name != left)
    part = replace(trained, series=others, models=(judged.model,), judged=judged, kept=())
    if trees is None:
        return part, None
    done = begin(f"trees without {left}", 1)
    found = train_trees_without(left, trained.series, trees, plan.learn_ratio, plan.keep_ratio)
    done("")
    return part, found


def _files(trained: Trained, trees: TrainedTrees | None) -> dict[str, bytes]:
    from forecaster.training.artefact import LSTM_FILE
    from forecaster.training.boosting import GRAPH_FILE
    from forecaster.training.export import to_onnx

    files = {LSTM_FILE: to_onnx(trained.models)}
    return files | ({GRAPH_FILE: trees.graph} if trees else {})


def _saying_error(advance: Callable[[str], None]) -> Callable[[Epoch], None]:
    return lambda epoch: advance(f"relative MAE {epoch.error:.3f}")


def _table(described: Mapping[str, Any]) -> Table:
    """Errors of each series, of the network and of the trees where there are some."""
    found = described["validation"]
    members = {name: title for name, title in MEMBERS.items() if name in found}
    table = Table(title="Relative MAE on the part held back (last value = 1)")
    table.add_column("series")
    for title in members.values():
        for heading in (title, f"{title}, without the series"):
            table.add_column(heading, justify="right")
    for name in found["lstm"]["series"]:
        figures = [
            _figure(found[member][part].get(name))
            for member in members
            for part in ("series", "zero_shot")
        ]
        table.add_row(Text(name), *figures)
    means = [
        _figure(mean)
        for member in members
        for mean in (
            found[member]["relative_mae_ratio"],
            _geometric_mean(found[member]["zero_shot"]),
        )
    ]
    table.add_row("geometric mean", *means)
    return table


def _geometric_mean(errors: Mapping[str, float | None]) -> float | None:
    known = [error for error in errors.values() if error is not None]
    return geometric_mean(known) if known else None


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
