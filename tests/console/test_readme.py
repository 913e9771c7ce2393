"""The README shows what `make demo` prints, figure by figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import negawatt

from console.placement_tables import stream_cells

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_the_readme_shows_the_table_that_the_demo_prints(tmp_path):
    """Each policy's row of the demo stands in the README, to the last digit."""
    done = negawatt("demo", "--directory", tmp_path, "--output", "json")
    rows = json.loads(done.stdout)["policies"]
    text = README.read_text(encoding="utf-8")

    for name, row in rows.items():
        assert "| " + " | ".join([name, *stream_cells(row)]) + " |" in text
