"""`negawatt energy prices` as a person or a program runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import negawatt

EXAMPLE = Path(__file__).parents[2] / "docs/explanation/placement-example"
BEST, MIDDLE, OLD = (
    "lenovo-thinksystem-sr645-7763",
    "dell-poweredge-r740-8180",
    "dell-poweredge-r720-e5-2660",
)


def prices(*arguments, nodes=EXAMPLE / "nodes.csv", pods=EXAMPLE / "pods.csv"):
    """Run the command, on the worked example unless told otherwise."""
    return negawatt("energy", "prices", "--nodes", nodes, "--pods", pods, *arguments)


def classes_of(done):
    """The classes of a JSON answer, by name."""
    assert done.returncode == 0, done.stderr
    return {each["class"]: each for each in json.loads(done.stdout)["classes"]}


@pytest.mark.parametrize("sleep", ["never", "empty"])
def test_the_example_shows_that_a_memory_heavy_pod_strands_the_best_servers_cores(sleep):
    """The best server's cores cost least and its memory most, so caches go elsewhere."""
    found = classes_of(prices("--sleep", sleep, "--output", "json"))
    best, middle = found[BEST], found[MIDDLE]

    def cost(of_class, cores, gibibytes):
        return cores * of_class["watts_per_core"] + gibibytes * of_class["watts_per_gibibyte"]

    assert best["memory_taken_ratio"] == pytest.approx(1.0)
    assert best["cpu_taken_ratio"] < 0.9
    assert cost(best, 4.8, 80) > cost(middle, 4.8, 80) + 1.0
    assert cost(best, 7.6, 12) < cost(middle, 7.6, 12) - 1.0
    assert "memory runs out first" in best["core_reason"]
    assert MIDDLE in best["memory_reason"]


def test_table_and_json_say_the_same():
    """Each class's figures and reasons stand in both, with where they are from."""
    table = " ".join(prices().stdout.split())
    answer = prices("--output", "json")
    document = json.loads(answer.stdout)

    assert document["source"] == "solved"
    assert f"solved: {document['reason']}; 22 pods cost {document['bound_watts']:.0f} W" in table
    for name, each in classes_of(answer).items():
        assert name in table
        assert f"{name}: a core here is worth {each['watts_per_core']:.2f} W" in table
        assert each["core_reason"] in table
        assert f"{each['watts_per_gibibyte']:.2f} W" in table


def test_half_the_use_makes_cores_cheaper_and_memory_matter_more():
    """Requests of which half is used cost less; the memory that they take does not."""
    full = classes_of(prices("--output", "json", "--sleep", "empty"))
    half = classes_of(prices("--output", "json", "--sleep", "empty", "--usage-ratio", "0.5"))

    for name in (BEST, MIDDLE, OLD):
        assert half[name]["watts_per_core"] < full[name]["watts_per_core"]


def test_pods_that_fit_nowhere_are_told(tmp_path):
    """More pods than the nodes can take end in a count, not in a failure."""
    rows = "".join(f"p{number},16000,1024,0,\n" for number in range(20))
    (tmp_path / "pods.csv").write_text(
        "name,cpu_millicores,memory_mebibytes,arrival_seconds,lifetime_seconds\n" + rows
    )
    done = prices(pods=tmp_path / "pods.csv")
    document = json.loads(prices("--output", "json", pods=tmp_path / "pods.csv").stdout)

    assert "7.5 pods fit nowhere" in done.stdout
    assert document["pods_without_place"] == pytest.approx(7.5)


def test_classes_of_one_server_are_told_apart_by_size(tmp_path):
    """Two sizes of the same server get names of their own."""
    nodes = (EXAMPLE / "nodes.csv").read_text() + f"small,8000,24576,{OLD}\n"
    (tmp_path / "nodes.csv").write_text(nodes)
    found = classes_of(prices("--output", "json", nodes=tmp_path / "nodes.csv"))

    assert f"{OLD} (8 cores, 24 GiB)" in found
    assert f"{OLD} (16 cores, 24 GiB)" in found


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--sleep", "often"], "--sleep"),
        (["--usage-ratio", "nan"], "--usage-ratio"),
        (["--usage-ratio", "2"], "--usage-ratio"),
        (["--output", "xml"], "--output"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_bad_options_end_in_one_line(arguments, named):
    """An option that cannot be used ends in exit code 2 and one line that names it."""
    done = prices(*arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert named in done.stderr


@pytest.mark.parametrize("which", ["nodes", "pods"])
@pytest.mark.parametrize("text", [None, "", "name,cpu_millicores\na,1\n"])
def test_bad_files_end_in_one_line(tmp_path, which, text):
    """A file that is missing, empty or lacks columns ends in one line that names it."""
    file = tmp_path / "given.csv"
    if text is not None:
        file.write_text(text)
    done = prices(**{which: file})

    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "given.csv" in done.stderr
