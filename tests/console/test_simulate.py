"""`negawatt simulate place` and `negawatt demo` as a person or a program runs them."""

from __future__ import annotations

import json

import pytest
from command_line import negawatt

PODS = "name,cpu_millicores,memory_mebibytes,arrival_seconds,lifetime_seconds\n" + "".join(
    f"pod-{number},{500 + 100 * (number % 7)},1024,{number * 30},{600 + 60 * (number % 11)}\n"
    for number in range(80)
)
NODES = (
    "name,cpu_millicores,memory_mebibytes,server\n"
    "a,16000,24576,dell-poweredge-r720-e5-2660\n"
    "b,16000,24576,dell-poweredge-r720-e5-2660\n"
    "c,56000,196608,dell-poweredge-r740-8180\n"
    "d,128000,262144,lenovo-thinksystem-sr645-7763\n"
)
FIGURES = {
    "energy_kilowatt_hours",
    "idle_kilowatt_hours",
    "dynamic_kilowatt_hours",
    "active_node_hours",
    "pending_pods",
    "bound_kilowatt_hours",
    "decisions_per_second",
}


@pytest.fixture
def files(tmp_path):
    """A pod file and a node file of our own kind."""
    (tmp_path / "pods.csv").write_text(PODS)
    (tmp_path / "nodes.csv").write_text(NODES)
    return tmp_path


def place(files, *arguments):
    """Run `simulate place` on the fixture's files."""
    return negawatt(
        "simulate", "place", "--pods", files / "pods.csv", "--nodes", files / "nodes.csv",
        *arguments,
    )  # fmt: skip


def test_json_has_the_documented_figures(files):
    """Scenario, seed, commit, and every figure of every policy; idle and dynamic add up."""
    done = place(
        files, "--policy", "default,fill-cost,marginal-idle,bound", "--sleep", "empty",
        "--usage-ratio", "0.3", "--output", "json",
    )  # fmt: skip
    document = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert {"scenario", "seed", "commit", "policies"} <= set(document)
    for name, figures in document["policies"].items():
        assert set(figures) >= FIGURES
        assert figures["energy_kilowatt_hours"] >= figures["bound_kilowatt_hours"] - 1e-9
        if name != "bound":
            parts = figures["idle_kilowatt_hours"] + figures["dynamic_kilowatt_hours"]
            assert parts == pytest.approx(figures["energy_kilowatt_hours"])


def test_prices_over_time_are_those_of_the_classes(files):
    """A policy that goes by prices says them: by class, in order of time, and on the page."""
    done = place(files, "--policy", "default,priced-envelope", "--output", "json")
    prices = json.loads(done.stdout)["prices"]
    page = files / "page.html"
    place(files, "--policy", "default,priced-envelope", "--output", "html", "--file", page)

    assert prices["policy"] == "priced-envelope"
    assert prices["seconds"] == sorted(prices["seconds"])
    assert set(prices["sources"]) == {"solved"}
    for resource in ("watts_per_core", "watts_per_gibibyte"):
        assert len(prices[resource]) == 3
        for name, series in prices[resource].items():
            assert name in page.read_text()
            assert len(series) == len(prices["seconds"])
            assert min(series) >= 0.0
    assert page.read_text().count("<svg") == 3


def test_several_seeds_are_shown_apart_and_in_the_mean(files):
    """Each seed keeps its own policies; the mean stands beside them."""
    done = place(files, "--policy", "random", "--seed", "1,2", "--output", "json")
    document = json.loads(done.stdout)

    assert set(document["seeds"]) == {"1", "2"}
    values = [
        one["policies"]["random"]["energy_kilowatt_hours"] for one in document["seeds"].values()
    ]
    mean = document["mean"]["policies"]["random"]["energy_kilowatt_hours"]
    assert mean == pytest.approx(sum(values) / 2)


def test_the_table_names_every_policy_and_says_simulated(files):
    """A person reads which policies ran, that nothing was measured, and of no moves."""
    done = place(files, "--policy", "default,most-allocated,efficiency-order,round-robin")

    assert done.returncode == 0
    assert "simulated" in done.stdout
    assert "/pod·day" not in done.stdout
    for name in ("default", "most-allocated", "efficiency-order", "round-robin"):
        assert name in done.stdout


def test_the_page_stands_alone(files):
    """The HTML has the table and the plots, and loads nothing from anywhere."""
    page = files / "page.html"
    done = place(files, "--policy", "default,bound", "--output", "html", "--file", page)
    text = page.read_text()

    assert done.returncode == 0, done.stderr
    assert text.count("<svg") == 2
    assert "src=" not in text
    assert "most-allocated" not in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--policy", "wishful"], "no policy is named wishful"),
        (["--policy", ","], "no policy is named"),
        (["--sleep", "often"], "'often' is no sleep mode"),
        (["--usage-ratio", "nan"], "nan is no ratio"),
        (["--usage-ratio", "1.5"], "1.5 is no ratio"),
        (["--usage-ratio", "0"], "0.0 is no ratio"),
        (["--seed", "one"], "no list of seeds"),
        (["--seed", "-1"], "no list of seeds"),
        (["--output", "xml"], "no output 'xml'"),
        (["--load", "0.99"], "no scaling of time"),
        (["--suite", "other"], "--suite other cannot be run"),
        (["--suite", "ground"], "--pods: the suite has its own"),
        (["--scenario", "standard"], "--nodes: the standard scenario has its own"),
        (["--file", "/proc/nowhere/x"], "cannot be written to"),
        (["--scenario", "dream"], "no scenario 'dream'"),
        (["--fleet", "mixed"], "either --nodes or --fleet"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_2(files, arguments, complaint):
    """One line on stderr, nothing on stdout, exit code 2, no traceback."""
    done = place(files, *arguments)

    assert done.returncode == 2
    assert not done.stdout
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("spoilt", ["pods.csv", "nodes.csv"])
@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "name,cpu_millicores\n", "\x00\x01"])
def test_a_bad_file_is_one_line_and_leaves_nothing(files, spoilt, content):
    """Whatever the file holds: one line that names it, exit code 2, no output file."""
    (files / spoilt).write_text(content)
    done = place(files, "--output", "json", "--file", files / "result.json")

    assert done.returncode == 2
    assert spoilt in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (files / "result.json").exists()


def test_a_pod_larger_than_every_node_is_named_and_pending(files):
    """A warning names it; every policy and the bound count it as pending."""
    (files / "pods.csv").write_text(PODS + "giant,999000,1024,10,60\n")
    done = place(files, "--policy", "fill-cost,bound", "--output", "json")
    document = json.loads(done.stdout)

    assert "giant" in done.stderr
    assert {row["pending_pods"] for row in document["policies"].values()} == {1}
