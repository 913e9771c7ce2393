"""`negawatt energy train`: choose the model that ships and write its artefact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.commands.energy.evaluate import document, score_table
from console.commands.energy.working import needs_training_extra, steps
from console.output import JSON, TABLE, json_text, require_format, stdout
from energy.catalogue import Catalogue
from energy.errors import NegawattError
from energy.regressor.artefact import checksum_lines, shipped_directory, verified
from energy.regressor.validation import FOLDS

DEFAULT_DIRECTORY = Path("out/energy-regressor")


def train(
    into: Annotated[Path, typer.Option(help="Directory for the artefact.")] = DEFAULT_DIRECTORY,
    output: Annotated[str, typer.Option(help="table or json.")] = TABLE,
) -> None:
    """Train the energy regressor on the servers that travel with the package.

    All candidates are cross-validated, the one with the lowest placement regret is fitted on every
    server (ties within 5 % go to the lower MAPE) and written as ONNX graphs with checksums.
    The shipped artefact is this command's with `--into energy/data/regressor`.
    """
    form = require_format(output, (TABLE, JSON))
    servers = list(Catalogue.shipped().servers.values())
    with needs_training_extra():
        from energy.regressor.candidates import CANDIDATES
        from energy.regressor.training import train as train_regressor
        from energy.regressor.training import write

        with steps(len(CANDIDATES) * FOLDS + 1) as progress:
            trained = train_regressor(servers, progress)
    same = _shipped_checksums() == checksum_lines(dict(trained.contents))
    write(trained, into)
    if form == JSON:
        described = document(trained.evaluation, trained.choice.name)
        written = {"directory": str(into), "reason": trained.choice.reason, "same_as_shipped": same}
        typer.echo(json_text({**described, **written}))
        return
    title = f"{len(servers)} servers, ten folds grouped by CPU model"
    stdout().print(score_table(trained.evaluation.scores, trained.choice.name, title))
    typer.echo(f"{trained.choice.name} ships: {trained.choice.reason}")
    relation = "the same files as" if same else "other files than"
    typer.echo(f"written to {into}: {relation} the shipped artefact")


def _shipped_checksums() -> str:
    try:
        return checksum_lines(verified(shipped_directory()))
    except NegawattError:
        return ""
