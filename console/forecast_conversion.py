"""`negawatt forecaster convert`: the public sets as traces, and what was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from console.output import JSON, emit, json_text, stdout
from console.progress import live_steps
from forecaster.evaluation.conversion import Converted, convert, find_sources


def show(sources: Sequence[Path], folder: Path, form: str) -> None:
    """Convert every known original and say what was written.

    Raises:
        InputError: a source is not known or broken, or the folder cannot be written to.
    """
    found = find_sources(sources)
    written = []
    with live_steps() as steps:
        steps.begin("series", len(found))
        for name, source in sorted(found.items()):
            written.append(convert(name, source, folder))
            steps.advance(1)
    if form == JSON:
        emit(json_text({"traces": [_record(each) for each in written]}), None)
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("series", "minutes", "with a value", "file"):
        table.add_column(heading, justify="left" if heading in {"series", "file"} else "right")
    for each in written:
        table.add_row(each.name, f"{each.minutes:,}", f"{each.rows:,}", Text(str(each.file)))
    stdout().print(table)


def _record(written: Converted) -> dict[str, object]:
    return {
        "name": written.name,
        "minutes": written.minutes,
        "rows": written.rows,
        "file": str(written.file),
    }
