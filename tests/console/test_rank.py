"""`negawatt simulate place --suite rank` on a grid of two small cells, and what it refuses."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from command_line import negawatt
from rich.console import Console

from console import rank_markdown, rank_page, rank_tables
from console.rank_markdown import JSON_KEYS
from simulator import rank_grid, rank_suite
from simulator.rank_policies import Ablation

GRID = rank_grid.GRID
PART = rank_grid.GridPart(
    families=("burst-50",),
    fleets=("20/30/10",),
    load_ratios=(0.3,),
    settings=rank_grid.TWO_SETTINGS,
)
POLICIES = "fill-cost,envelope"


@pytest.fixture(scope="module")
def rank():
    """Run the suite on a small grid, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rank_grid, "GRID", (PART,))
        patch.setattr("os.cpu_count", lambda: 1)

        def run(*arguments):
            return negawatt("simulate", "place", "--suite", "rank", *arguments)

        yield run


@pytest.fixture(scope="module")
def document(rank):
    """The JSON of two seeds."""
    done = rank("--policy", POLICIES, "--seed", "1,2", "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_json_has_the_documented_keys(document):
    """Every key is named on the page that describes them, and every named policy is there."""
    (first, second) = document["cells"]
    result = first["policies"]["fill-cost"]
    documented = set(re.findall(r"`(\w+)`", JSON_KEYS))

    assert {*document, *first, *result} - documented == {"scenario"}
    assert document["seeds"] == [1, 2]
    assert document["simulated"] is True
    assert {(cell["usage_ratio"], cell["sleep"]) for cell in (first, second)} == {
        (1.0, "never"),
        (0.6, "empty"),
    }
    assert set(first["policies"]) == {"efficiency-order", "fill-cost", "envelope", "repack"}


def test_ratios_follow_from_the_energies(document):
    """Of two seeds the mean ratio lies within its interval, and the label's is one."""
    for cell in document["cells"]:
        assert cell["policies"]["efficiency-order"]["label_ratio"]["mean"] == 1.0
        for result in cell["policies"].values():
            ratio = result["label_ratio"]
            assert ratio["low"] <= ratio["mean"] <= ratio["high"]
            assert result["bound_ratio"]["mean"] >= 1.0
            assert result["verdict"] in {"worse", "equal", "better"}


def test_the_page_and_the_markdown_show_every_cell(document):
    """No cell is left out, of any family, in either form."""
    page, markdown = rank_page.rank_page(document), rank_markdown.rank_markdown(document)
    HTMLParser().feed(page)
    for cell in document["cells"]:
        row = rank_tables.row(document, cell, intervals=True)
        assert " | ".join(row) in markdown
        assert row[0] in page
    assert page.count("<svg") == 1
    assert "None" not in markdown


def test_tables_hold_a_row_per_cell(document):
    """One table per family, then the summaries."""
    tables = list(rank_tables.rank_tables(document))
    console = Console(width=200)
    with console.capture() as captured:
        for table in tables:
            console.print(table)
    text = captured.get()

    assert tables[0].row_count == len(document["cells"])
    assert "Summary of bursts" in text
    assert "envelope" in text


def test_one_seed_is_a_quick_look_without_verdicts(rank):
    """It has means, and says of nothing that it is better or worse."""
    done = rank("--policy", "fill-cost", "--output", "json")
    document = json.loads(done.stdout)

    results = [result for cell in document["cells"] for result in cell["policies"].values()]

    assert {result["verdict"] for result in results} == {None}
    for cell in document["cells"]:
        assert "±" not in "".join(rank_tables.row(document, cell, intervals=True))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--load", "0.5"], "--load"),
        (["--fleet", "mixed"], "--fleet"),
        (["--nodes", "nodes.csv"], "--nodes"),
        (["--sleep", "empty"], "--sleep"),
        (["--usage-ratio", "0.5"], "--usage-ratio"),
        (["--policy", "nonsense"], "nonsense"),
        (["--policy", "envelope+movesmany"], "envelope+movesmany"),
        (["--seed", "one"], "--seed"),
        (["--pods", "nowhere.csv"], "nowhere.csv"),
        (["--output", "yaml"], "yaml"),
        (["--scenario", "standard"], "--suite rank"),
    ],
)
def test_bad_options_are_refused_in_one_line(rank, arguments, said):
    """Exit code 2, one line that names the option, and no traceback."""
    done = rank(*arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_file_with_too_few_pods_is_refused_before_anything_runs(tmp_path):
    """The standard burst draws 600; this is the whole grid, which has one."""
    path = tmp_path / "pods.csv"
    path.write_text(
        "name,cpu_millicores,memory_mebibytes,arrival_seconds,lifetime_seconds\na,1000,1024,0,60\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rank_grid, "GRID", GRID)
        done = negawatt("simulate", "place", "--suite", "rank", "--pods", path)

    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "1 pods where the standard scenario draws 600" in done.stderr


def test_variants_are_shown_with_the_cells_of_their_families(document):
    """Every variant keeps to what it asks about, and the pages show its cells."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rank_grid, "MAIN_LOAD_RATIO", 0.3)
        patch.setattr(rank_grid, "GRID", (PART,))
        variants = [
            Ablation(question="Why?", label=label, policy=policy, families=families)
            for label, policy, families in (
                ("as it is", "fill-cost", ("burst-50",)),
                ("another", "envelope", ("burst-50", "churn")),
                ("elsewhere", "envelope", ("churn",)),
            )
        ]
        patch.setattr(rank_grid, "ABLATIONS", variants)
        patch.setattr(rank_suite, "ABLATIONS", variants)
        suite = rank_suite.RankSuite(policies=("most-allocated",), seeds=(1,))
        found = suite.document(suite.run(processes=1, advance=lambda _: None), "test")

    assert [len(variant["cells"]) for variant in found["ablations"]] == [2, 2, 0]
    assert "fill-cost" not in found["policies"]
    for variant in found["ablations"]:
        for cell in variant["cells"]:
            assert cell.keys() == document["cells"][0]["policies"]["envelope"].keys() | (
                document["cells"][0].keys() - {"policies"}
            )
    for text in (rank_markdown.rank_markdown(found), rank_page.rank_page(found)):
        assert text.count("Why?") == 4
        assert "another" in text
