"""Tables that are generated name the commit that they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize(
    "page", ["placement-suite", "placement-standard-20-30-10", "placement-standard-20-20-20"]
)
def test_generated_tables_come_from_a_clean_tree(page):
    """A figure that names a commit can be made again from it."""
    text = (README.parent / "docs/reference" / f"{page}.md").read_text(encoding="utf-8")

    assert "Commit `" in text
    assert "+changes" not in text
