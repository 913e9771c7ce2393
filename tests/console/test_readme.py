"""The README shows what `make demo` prints, figure by figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import negawatt

from console.placement_tables import stream_rows

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_the_readme_shows_the_table_that_the_demo_prints(tmp_path):
    """Each policy's row of the demo stands in the README, and what it saves to the label."""
    done = negawatt("demo", "--directory", tmp_path, "--output", "json")
    document = json.loads(done.stdout)
    headings, rows = stream_rows(document)
    text = README.read_text(encoding="utf-8")

    for cells in (headings, *rows):
        assert "| " + " | ".join(cells) + " |" in text
    energy = {name: row["energy_kilowatt_hours"] for name, row in document["policies"].items()}
    for name in ("negawatt", "negawatt+moves0.5"):
        assert f"{100 * (1 - energy[name] / energy['efficiency-order']):.1f} %" in text


@pytest.mark.parametrize(
    "page", ["placement-suite", "placement-standard-20-30-10", "placement-standard-20-20-20"]
)
def test_generated_tables_come_from_a_clean_tree(page):
    """A figure that names a commit can be made again from it."""
    text = (README.parent / "docs/reference" / f"{page}.md").read_text(encoding="utf-8")

    assert "Commit `" in text
    assert "+changes" not in text
