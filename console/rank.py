"""Run the rank suite that `negawatt simulate place --suite rank` asked for, and show it."""

from __future__ import annotations

import os
from pathlib import Path

from console import rank_markdown, rank_page, rank_tables
from console.output import HTML, JSON, MARKDOWN, TABLE, json_text
from console.placement import rendered, show
from console.progress import live_steps
from console.provenance import commit
from simulator.rank_suite import RankSuite


def show_rank(suite: RankSuite, form: str, file: Path | None) -> None:
    """Run the suite on all cores and show it."""
    made_by = commit()
    with live_steps() as progress:
        progress.begin("scenario × seed", len(suite.tasks()))
        outcomes = suite.run(processes=os.cpu_count() or 1, advance=progress.advance)
    document = suite.document(outcomes, made_by)
    show(
        form,
        file,
        {
            JSON: lambda: json_text(document),
            HTML: lambda: rank_page.rank_page(document),
            MARKDOWN: lambda: rank_markdown.rank_markdown(document),
            TABLE: lambda: rendered(rank_tables.rank_tables(document), file),
        },
    )
