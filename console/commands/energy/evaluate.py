"""`negawatt energy evaluate`: how well curves are predicted for CPU models never trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from console.commands.energy.working import needs_training_extra, steps
from console.output import JSON, TABLE, json_text, require_format, stderr, stdout
from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.load_levels import read_load_levels
from energy.regressor.artefact import Regressor
from energy.regressor.scores import Score, as_json
from energy.regressor.validation import (
    FOLDS,
    CurveModel,
    Evaluation,
    score_fitted,
    validate_forward,
)
from energy.regressor.validation import (
    cross_validate as cross_validated,
)
from energy.servers import CatalogueServer

LINEAR = "linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked for."""

    servers: list[CatalogueServer]
    origin: str
    blind: bool
    cross_validate: bool
    train_until: int | None
    test_from: int | None


def evaluate(  # noqa: PLR0913 - one parameter for each option
    *,
    servers: Annotated[
        Path | None,
        typer.Option(help="CSV of measured servers (default: the table that we train on)."),
    ] = None,
    output: Annotated[str, typer.Option(help="table or json.")] = TABLE,
    cross_validate: Annotated[
        bool, typer.Option("--cross-validate", help="Retrain in ten folds grouped by CPU model.")
    ] = False,
    blind: Annotated[
        bool, typer.Option("--blind", help="As if idle and peak watts were unknown too.")
    ] = False,
    train_until: Annotated[
        int | None, typer.Option(help="Retrain on hardware available up to this year ...")
    ] = None,
    test_from: Annotated[
        int | None, typer.Option(help="... and test on hardware available from this year on.")
    ] = None,
    artefact: Annotated[
        Path | None, typer.Option(help="Directory of another artefact than the shipped one.")
    ] = None,
) -> None:
    """Score predicted curves: MAPE, marginal error, and the regret of placing pods by them.

    By default the shipped model predicts the servers whose CPU model it was not trained on.
    """
    form = require_format(output, (TABLE, JSON))
    question = Question(
        servers=_read(servers),
        origin=str(servers or "the travelling table"),
        blind=blind,
        cross_validate=cross_validate,
        train_until=train_until,
        test_from=test_from,
    )
    _check_options(question)
    regressor = Regressor.load(artefact) if artefact else Regressor.shipped()
    evaluation = _evaluate(question, regressor)
    if not evaluation.servers:
        stderr().print(_nothing_left(question, evaluation), highlight=False, soft_wrap=True)
    if form == JSON:
        typer.echo(json_text(document(evaluation, regressor.name)))
    else:
        stdout().print(score_table(evaluation.scores, regressor.name, _title(question, evaluation)))


def document(evaluation: Evaluation, shipped: str) -> dict[str, Any]:
    """Return what `--output json` prints."""
    return {
        "models": as_json(evaluation.scores),
        "shipped": shipped,
        "servers": evaluation.servers,
        "excluded": evaluation.excluded,
    }


def score_table(scores: Any, shipped: str, title: str) -> Table:  # noqa: ANN401 - any mapping
    """Return the scores as a table, the shipped model marked."""
    table = Table(title=title, title_justify="left")
    table.add_column("model")
    for heading in ("MAPE", "p90", "marginal", "regret", "R²", "MAE W", "MSE W²"):
        table.add_column(heading, justify="right")
    for name, score in scores.items():
        label = f"[bold]{name}[/] (ships)" if name == shipped else name
        table.add_row(label, *figures(score))
    return table


def figures(score: Score) -> tuple[str, ...]:
    """Return a row of figures as text."""
    ratios = (
        score.mape_ratio_median,
        score.mape_ratio_p90,
        score.marginal_error_ratio_median,
        score.placement_regret_ratio,
        score.r2,
    )
    return (
        *("-" if ratio is None else f"{ratio:.4f}" for ratio in ratios),
        *(
            "-" if value is None else f"{value:.1f}"
            for value in (score.mae_watts, score.mse_square_watts)
        ),
    )


def _read(file: Path | None) -> list[CatalogueServer]:
    return list(Catalogue.shipped().servers.values()) if file is None else read_load_levels(file)


def _check_options(question: Question) -> None:
    years = (question.train_until, question.test_from)
    if (years[0] is None) != (years[1] is None):
        raise InputError("--train-until and --test-from belong together", mend="give both")
    if years[0] is not None and years[1] is not None:
        if question.cross_validate:
            raise InputError("--cross-validate and --train-until exclude each other")
        if years[0] >= years[1]:
            raise InputError(
                f"training until {years[0]} and testing from {years[1]} overlap",
                mend="test on later years than you train on",
            )


def _evaluate(question: Question, regressor: Regressor) -> Evaluation:
    if not (question.cross_validate or question.train_until):
        models = {LINEAR: regressor.predict_linear, regressor.name: regressor.predict}
        seen = regressor.training_cpu_models
        return score_fitted(models, question.servers, seen, blind=question.blind)
    with needs_training_extra():
        from energy.regressor.candidates import CANDIDATES

        return _retrain(question, CANDIDATES)


def _retrain(question: Question, candidates: dict[str, Callable[[], CurveModel]]) -> Evaluation:
    if question.train_until and question.test_from:
        with steps(len(candidates)) as progress:
            return validate_forward(
                candidates,
                question.servers,
                train_until_year=question.train_until,
                test_from_year=question.test_from,
                blind=question.blind,
                progress=progress,
            )
    with steps(len(candidates) * FOLDS) as progress:
        return cross_validated(
            candidates, question.servers, blind=question.blind, progress=progress
        )


def _nothing_left(question: Question, evaluation: Evaluation) -> str:
    if question.train_until:
        return f"negawatt: no server of {question.origin} is left to test on"
    return (
        f"negawatt: the shipped model was trained on every CPU model of {question.origin} "
        f"({evaluation.excluded} servers), so nothing is left to score; "
        "--cross-validate retrains in folds on it instead"
    )


def _title(question: Question, evaluation: Evaluation) -> str:
    if question.cross_validate:
        way = "ten folds grouped by CPU model"
    elif question.train_until:
        way = f"trained until {question.train_until}, tested from {question.test_from}"
    else:
        way = "the shipped model"
    known = "idle and peak unknown" if question.blind else "idle and peak known"
    return (
        f"{question.origin}: {way}, {known}; {evaluation.servers} servers scored, "
        f"{evaluation.excluded} excluded"
    )
