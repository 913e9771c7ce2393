"""`negawatt energy train-forest`: write the artefact of the paper's random forest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.commands.energy.evaluate import score_table
from console.commands.energy.working import needs_training_extra
from console.output import stdout
from energy.catalogue import Catalogue
from energy.errors import NegawattError
from energy.regressor import forest
from energy.regressor.artefact import verified

DEFAULT_DIRECTORY = Path("out/paper-random-forest")


def train_forest(
    into: Annotated[Path, typer.Option(help="Directory for the artefact.")] = DEFAULT_DIRECTORY,
) -> None:
    """Train the random forest of the prediction API's paper on the servers of the package.

    The shipped artefact is this command's with `--into energy/data/forest`.
    """
    servers = list(Catalogue.shipped().servers.values())
    with needs_training_extra():
        from energy.regressor.forest_training import cross_validated
        from energy.regressor.forest_training import train_forest as train
        from energy.regressor.training import write_files

        score = cross_validated(servers)
        contents = train(servers, score)
    same = _shipped() == contents
    write_files(contents, into)
    title = f"{len(servers)} servers, ten folds grouped by CPU model"
    stdout().print(score_table({forest.NAME: score}, forest.NAME, title))
    relation = "the same files as" if same else "other files than"
    typer.echo(f"written to {into}: {relation} the shipped artefact")


def _shipped() -> dict[str, bytes]:
    try:
        return verified(forest.shipped_directory(), forest.FILES)
    except NegawattError:
        return {}
