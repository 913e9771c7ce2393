"""The page on placement shows what its commands print, and its own tables follow from them."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from itertools import pairwise

import pytest
import repository
from command_line import negawatt

from pricing.mix_pricing import DEADLINE_SECONDS, SOLVE_EVERY_SECONDS
from pricing.moves.budget import SAVED_UP_SECONDS
from pricing.moves.saving import MoveTerms
from pricing.queue_pricing import QUEUE_PODS_MIN, SOLVE_EVERY_PODS
from simulator.movers import INTERVAL_SECONDS

EXAMPLE = repository.ROOT / "docs/explanation/placement-example"
TEXT = (EXAMPLE.parent / "placement.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n\$ (.*?)```", TEXT, re.DOTALL)
BEST, MIDDLE, OLD = (
    "lenovo-thinksystem-sr645-7763",
    "dell-poweredge-r740-8180",
    "dell-poweredge-r720-e5-2660",
)
BATCH_PODS = 8


def words(text):
    """The text without its line breaks and indents."""
    return " ".join(text.split())


def command_and_output(block):
    """A console block's command, its continued lines joined, and what stands below."""
    joined = block.replace("\\\n", " ")
    command, _, output = joined.partition("\n")
    return shlex.split(command), output


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: words(block)[:60])
def test_commands_print_what_the_page_shows(block, monkeypatch, capsys):
    """Each command of the page, run from the root, prints the block below it."""
    monkeypatch.chdir(repository.ROOT)
    (program, *arguments), shown = command_and_output(block)
    if program.endswith("python"):
        runpy.run_path(arguments[0], run_name="__main__")
        printed = capsys.readouterr().out
    else:
        printed = negawatt(*arguments).stdout

    assert words(shown) == words(printed)


def prices_of_classes():
    """What `energy prices` says of each class of the example."""
    done = negawatt(
        "energy", "prices", "--nodes", EXAMPLE / "nodes.csv", "--pods", EXAMPLE / "pods.csv",
        "--sleep", "empty", "--output", "json",
    )  # fmt: skip
    return {each["class"]: each for each in json.loads(done.stdout)["classes"]}


@pytest.mark.parametrize(
    ("pod", "cores", "gibibytes"), [("cache", 4.8, 80), ("web", 7.6, 12), ("batch", 1.6, 16)]
)
def test_the_worth_of_pods_is_their_requests_at_the_prices(pod, cores, gibibytes):
    """Each pod's row is its cores and GiB times the prices of the classes that can hold it."""
    classes = prices_of_classes()
    cells = [
        f"{cores * one['watts_per_core'] + gibibytes * one['watts_per_gibibyte']:.1f} W"
        if gibibytes * 2**30 <= one["memory_bytes"]
        else "does not fit"
        for one in (classes[name] for name in (BEST, MIDDLE, OLD))
    ]

    assert f"| {pod} | {' | '.join(cells)} |" in TEXT


def test_the_curve_and_its_envelope_are_those_of_the_server():
    """The watts of the best server, each tenth's share, and the slopes of the hull by hand."""
    listed = negawatt("energy", "catalogue", "--servers", "--cpu", "7763", "--output", "json")
    servers = {one["server"]: one for one in json.loads(listed.stdout)["servers"]}
    watts = servers[BEST]["load_level_watts"]
    tenths = [after - before for before, after in pairwise(watts)]
    # What a core costs on average up to each load; its least is where the hull first bends.
    averages = [(watts[tenth] - 5) / (12.8 * tenth) for tenth in range(1, 11)]
    best_tenth = averages.index(min(averages)) + 1
    slopes = [min(averages)] * best_tenth + [tenth / 12.8 for tenth in tenths[best_tenth:]]

    assert "| watts | " + " | ".join(f"{each:.0f}" for each in watts) + " |" in TEXT
    assert "| – | " + " | ".join(f"{each:.0f}" for each in tenths) + " |" in TEXT
    assert "| – | " + " | ".join(f"{each:.2f}" for each in slopes) + " |" in TEXT
    assert f"{watts[best_tenth]:.0f} W, less the 5 W" in words(TEXT)
    assert slopes == sorted(slopes)


def test_the_constants_are_those_of_the_code():
    """What was tuned, and every interval, stands on the page as the code has it."""
    terms = MoveTerms()
    kilojoules = f"{terms.saving_joules_min / 1000:.0f} kJ per eviction"
    held = f"({terms.saving_joules_min / terms.horizon_seconds:.1f} W all that time)"
    said = [
        f"| {QUEUE_PODS_MIN} or more pods wait together",
        f"{QUEUE_PODS_MIN} pods for a queue (`QUEUE_PODS_MIN`) was chosen",
        f"after every {SOLVE_EVERY_PODS} placements",
        f"solved every {SOLVE_EVERY_SECONDS / 60:.0f} minutes",
        f"within {DEADLINE_SECONDS:.0f} seconds",
        f"every {INTERVAL_SECONDS / 60:.0f} minutes the rule looks for servers",
        f"kept for {SAVED_UP_SECONDS / 3600:.0f} hours",
        f"within {terms.horizon_seconds / 3600:.0f} hours it must save {kilojoules} {held}",
        f"{kilojoules} (`saving_joules_min`)",
    ]

    assert [phrase for phrase in said if phrase not in words(TEXT)] == []


def test_neither_server_holds_all_batch_pods_beside_the_rest():
    """What the page says of booking limits: by memory, seven batch pods fit on best, not eight."""
    assert 12 * 12 + (BATCH_PODS - 1) * 16 <= 256 < 12 * 12 + BATCH_PODS * 16
    assert 2 * 80 + BATCH_PODS * 16 > 192
