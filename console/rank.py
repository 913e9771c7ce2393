"""Run the rank suite that `negawatt simulate place --suite rank` asked for, and show it."""

from __future__ import annotations

import os
from pathlib import Path

from console import rank_markdown, rank_page, rank_tables
from console.output import HTML, JSON, MARKDOWN, TABLE, json_text
from console.placement import rendered, show
from console.placement_requests import RankRequest
from console.progress import live_steps
from console.provenance import commit
from simulator.rank_suite import document, rank_tasks, run_tasks


def show_rank(request: RankRequest, form: str, file: Path | None) -> None:
    """Run the suite on all cores and show it."""
    made_by = commit()
    work = rank_tasks(request.policies, request.seeds, request.pods)
    with live_steps() as progress:
        progress.begin("scenario × seed", len(work))
        outcomes = run_tasks(work, processes=os.cpu_count() or 1, advance=progress.advance)
    found = document(outcomes, request.policies, recorded=request.pods is not None, commit=made_by)
    show(
        form,
        file,
        {
            JSON: lambda: json_text(found),
            HTML: lambda: rank_page.rank_page(found),
            MARKDOWN: lambda: rank_markdown.rank_markdown(found),
            TABLE: lambda: rendered(rank_tables.rank_tables(found), file),
        },
    )
