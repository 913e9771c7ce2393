"""`make demo`: what it prints and leaves, and the README that shows it figure by figure."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.placement_tables import stream_rows

README = Path(__file__).parents[2] / "README.md"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Demo:
    """What one run printed and left."""

    printed: str
    document: dict[str, Any]
    page: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Run it once, in an empty folder."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "console", "demo"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    left = folder / "out/demo"
    return Demo(
        printed=done.stdout,
        document=json.loads((left / "result.json").read_text(encoding="utf-8")),
        page=(left / "index.html").read_text(encoding="utf-8"),
    )


def test_the_readme_shows_the_table_that_the_demo_prints(demo: Demo):
    """Each policy's row of the demo stands in the README, and what it saves to the label."""
    headings, rows = stream_rows(demo.document)
    text = README.read_text(encoding="utf-8")

    for cells in (headings, *rows):
        assert "| " + " | ".join(cells) + " |" in text
    policies = demo.document["policies"]
    energy = {name: row["energy_kilowatt_hours"] for name, row in policies.items()}
    for name in ("negawatt", "negawatt+moves0.5"):
        assert f"{100 * (1 - energy[name] / energy['efficiency-order']):.1f} %" in text


def test_the_demo_shows_the_rule_that_ships_and_leaves_a_page(demo: Demo):
    """One table, a sentence for each policy, JSON with prices, and a page that plots them."""
    assert demo.printed.count("• ") == 5
    assert "simulated" in demo.printed
    policies = demo.document["policies"]
    assert list(policies) == [
        "default", "most-allocated", "efficiency-order", "negawatt", "negawatt+moves0.5", "bound",
    ]  # fmt: skip
    assert len(demo.document["sentences"]) == 5
    assert demo.page.count("<svg") == 3
    assert "watts per requested GiB" in demo.page

    moved, unmoved = policies["negawatt+moves0.5"], policies["negawatt"]
    assert moved["evictions"] > unmoved["evictions"] == 0
    assert moved["evictions_per_pod_day"] > 0.0
    assert "/pod·day" in demo.printed
