"""`negawatt forecaster train`, `fine-tune` and `model-card`: how the models come to be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.output import JSON, TABLE, require_format, require_writable, write_whole

DEFAULT_FOLDER = Path("out/forecaster-models")

_Traces = Annotated[
    list[Path] | None,
    typer.Option(
        help="CSV timestamp,value, step 1 to 5 minutes, also .gz; several may follow."
        " Default: the three that travel with the package.",
        show_default=False,
    ),
]

_Budget = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Search for better settings that long (Optuna); 0: do not.",
    ),
]
_Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="At most (default: 14); training ends early where nothing improves.",
    ),
]
_SyntheticSeries = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="How many series are made up, at most"
        " (default: 160 for the network, 60 for LightGBM).",
    ),
]
_LeaveOneOut = Annotated[
    bool,
    typer.Option("--leave-one-out", help="Also train without-SERIES/ for each series, without it."),
]


def register(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command()(train)
    group.command("fine-tune")(fine_tune)
    group.command("model-card")(model_card)


def train(  # noqa: PLR0913 - one parameter per option
    *,
    more_traces: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Further traces.", show_default=False),
    ] = None,
    traces: _Traces = None,
    into: Annotated[Path, typer.Option(help="Folder for the models.")] = DEFAULT_FOLDER,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="The same seed gives the same models.")
    ] = 1,
    members: Annotated[
        int, typer.Option(min=1, max=5, metavar="N", help="Networks to average.")
    ] = 2,
    budget_seconds: _Budget = 0.0,
    leave_one_out: _LeaveOneOut = False,
    epochs: _Epochs = None,
    synthetic_series: _SyntheticSeries = None,
    trees: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many trees LightGBM learns.")
    ] = None,
    boosting: Annotated[bool, typer.Option(help="Train LightGBM's trees, too.")] = True,
    output: Annotated[str, typer.Option(help="table or json.")] = TABLE,
    report: Annotated[
        Path | None, typer.Option(help="Also write an HTML page with loss curves here.")
    ] = None,
) -> None:
    """Train the network and the trees on the first 70 % of each series, and on made-up ones.

    The network is judged on the part between 55 and 70 % by one that has learnt only from before
    it. The last 30 % are for `negawatt forecaster evaluate`.
    """
    form = require_format(output, (TABLE, JSON))
    require_writable(report)
    from console import forecast_training  # loads the models' libraries

    request = forecast_training.Request.parse(
        files=[*(traces or ()), *(more_traces or ())],
        into=into,
        seed=seed,
        members=members,
        budget_seconds=budget_seconds,
        leave_one_out=leave_one_out,
        epochs=epochs,
        synthetic_series=synthetic_series,
        boosting=boosting,
        trees=trees,
    )
    forecast_training.show(request, form, report)


def fine_tune(
    trace: Annotated[Path, typer.Argument(help="CSV timestamp,value of one workload.")],
    into: Annotated[Path, typer.Option(help="Folder for the tuned models.")],
    models: Annotated[
        Path | None, typer.Option(help="Models to start from; default: those of the package.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    output: Annotated[str, typer.Option(help="table or json.")] = TABLE,
) -> None:
    """Adapt the network's last layers to one workload; written only if it forecasts better so."""
    form = require_format(output, (TABLE, JSON))
    from console import forecast_tuning  # loads the models' libraries

    forecast_tuning.show(trace, models, into, seed, form)


def model_card(
    models: Annotated[
        Path | None, typer.Option(help="Trained models; default: those of the package.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Write the page here instead of to stdout.")
    ] = None,
) -> None:
    """Print the model card: data, licences, how it was trained, errors by series, limits."""
    require_writable(file)
    from forecaster.training.model_card import model_card as card

    text = card(models)
    if file is None:
        typer.echo(text, nl=False)
    else:
        write_whole(file, text)
