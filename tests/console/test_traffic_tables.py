"""What `negawatt simulate traffic` prints, and the page that its forecasts are published on."""

from __future__ import annotations

import json
import re

import repository
from command_line import negawatt

from console.traffic_tables import SHOWN, markdown
from simulator.feature_forecasts import FeatureScore
from simulator.sandbox.forecast_workloads import CAST

PAGE = repository.ROOT / "docs/reference/forecast-features.md"


def score(model: str, mae: float) -> FeatureScore:
    """A score whose figures are easily told apart."""
    return FeatureScore(
        series="mongo-01",
        feature="memory_bytes",
        model=model,
        mse=mae**2,
        mae=mae,
        scaled_mse=0.25,
        scaled_mae=0.5,
        relative_mae_ratio=0.75,
        forecasts=470,
    )


def test_features_of_every_workload_are_printed_as_simulated() -> None:
    """As a table, and with all figures as JSON."""
    document = json.loads(negawatt("simulate", "traffic", "--output", "json").stdout)
    table = negawatt("simulate", "traffic").stdout

    assert document["simulated"] is True
    assert [row["trace"] for row in document["rows"]] == [casting.trace for casting in CAST]
    for row in document["rows"]:
        assert row["workload"] in table
        assert row["features"].keys() == SHOWN.keys()
        for quantiles in row["features"].values():
            assert sorted(quantiles.values()) == list(quantiles.values())
    assert table.startswith("simulated")


def test_markdown_is_of_forecasts_and_that_is_said() -> None:
    """Who asks for it without them learns how."""
    done = negawatt("simulate", "traffic", "--output", "markdown")

    assert done.returncode == 2
    assert "add --forecasts, or use table or json" in done.stderr


def test_what_is_served_comes_first_and_units_are_people_s() -> None:
    """Then the best; bytes are shown as mebibytes."""
    mebibyte = 1024.0**2
    page = markdown([score("b", 2 * mebibyte), score("a", mebibyte), score("mixture", 1e9)], "m1")
    rows = [line for line in page.splitlines() if re.match(r"\| [`|]|\|  \|", line)]

    assert [row.split(" | ")[2] for row in rows] == ["mixture", "a", "b"]
    assert rows[1] == "|  |  | a | 1 | 1 | 2.50e-01 | 0.5000 | 0.75 |"
    assert "models `m1`" in page


def test_published_page_is_what_the_command_writes_today() -> None:
    """All of its words; figures change with the models."""
    head = markdown([], "").partition("The paper's test.")[2].partition("| trace")[0]

    assert head in PAGE.read_text(encoding="utf-8")
