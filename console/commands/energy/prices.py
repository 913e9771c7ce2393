"""`negawatt energy prices`: what a core and a gigabyte of each kind of node are worth, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.output import JSON, TABLE, require_format


def prices(
    nodes: Annotated[
        Path, typer.Option(help="Nodes: openb's CSV, or ours (docs/how-to/compare-placements.md).")
    ],
    pods: Annotated[Path, typer.Option(help="Pods that are to run at once: openb's CSV, or ours.")],
    sleep: Annotated[
        str, typer.Option(help="`never`, or `empty`: nodes without pods sleep.")
    ] = "never",
    usage_ratio: Annotated[
        float, typer.Option(help="What pods use of the CPU they request, 0-1.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Draws a server for nodes that state none.")] = 1,
    output: Annotated[str, typer.Option(help="table or json.")] = TABLE,
) -> None:
    """Price a core and a GiB of each class of nodes for pods that are to run there at once.

    All the pods of the file are placed on the empty nodes at the fewest watts, in fractions; the
    prices say what one more core or GiB of each class would cost then. They are of requests.
    """
    form = require_format(output, (TABLE, JSON))
    from console import price_report  # loads the solver

    asked = price_report.PriceRequest.parse(
        nodes, pods, sleep=sleep, usage_ratio=usage_ratio, seed=seed
    )
    report = price_report.priced(asked)
    if form == JSON:
        price_report.show_json(report)
    else:
        price_report.show_table(report)
