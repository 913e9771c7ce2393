"""The page on the extender shows what its command prints, and its constants are the code's."""

from __future__ import annotations

import re
import runpy
import shlex

import pytest
import repository
import yaml

from extender.forgone import WORKLOADS_MAX
from extender.inbox import SLICE_SECONDS
from extender.judgement import LISTED_CLASSES
from extender.loads import LAG_SECONDS
from extender.needs import CPU_LABEL
from extender.rankings import (
    BUSY_RATIO,
    EXPECTED_SECONDS,
    FRESH_RATIO,
    FRESH_SECONDS,
    PLACED_RATIO,
)
from extender.scorer import SCORE_MAX
from extender.settings import ExtenderSettings
from extender.state import REBUILD_SECONDS, USAGE_RATIO_STEP
from extender.state_metrics import FAMILIES
from extender.treatment import CEILING, IGNORE, LATENCY_CRITICAL, PART_OF, US
from extender.verbs import LOG_PAUSE_SECONDS
from pricing import mix_pricing, queue_pricing
from pricing.rules import SAME_COST_RATIO, SAME_WATTS
from telemetry.serving.given_settings import flag

TEXT = (repository.ROOT / "docs/explanation/extender.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n\$ (.*?)\n(.*?)```", TEXT, re.DOTALL)
POINTS_MAX = 100
SETTINGS = {
    name: field.get_default(call_default_factory=True)
    for name, field in ExtenderSettings.model_fields.items()
}


def words(text):
    """The text without its line breaks and indents."""
    return " ".join(text.split())


def scheduler_file():
    """The shipped configuration, with its one extender."""
    path = repository.ROOT / "deploy/scheduler/second-scheduler.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document, document["extenders"][0]


def test_the_command_prints_what_the_page_shows(monkeypatch, capsys):
    """The example, run from the root, prints the block below it."""
    monkeypatch.chdir(repository.ROOT)
    [(command, shown)] = BLOCKS
    runpy.run_path(shlex.split(command)[1], run_name="__main__")

    assert words(shown) == words(capsys.readouterr().out)


def test_the_constants_of_ranks_are_those_of_the_code():
    """What shares a rank, how many there are, and what one is worth in the scheduler."""
    document, extender = scheduler_file()
    enabled = document["profiles"][0]["plugins"]["score"]["enabled"]
    weights = {plugin["name"]: plugin["weight"] for plugin in enabled}
    packing_points = POINTS_MAX * (weights["NodeResourcesFit"] + weights["PodTopologySpread"])
    rank_points = extender["weight"] * POINTS_MAX // SCORE_MAX
    said = [
        f"within {SAME_COST_RATIO:.0%} or {SAME_WATTS} W of a rank's cheapest".replace("%", " %"),
        f"**Score** = {SCORE_MAX} − rank",
        f"whatever comes after the tenth shares rank {SCORE_MAX}",
        f"by the weight of the extender, {extender['weight']}",
        f"One rank is {rank_points} points, and packing and spreading",
        f"spreading together have {packing_points}",
        f"where {queue_pricing.QUEUE_PODS_MIN} or more pods of our schedulers wait",
    ]

    assert [phrase for phrase in said if phrase not in words(TEXT)] == []
    assert rank_points > packing_points


def test_the_constants_of_solving_are_those_of_the_code():
    """When programs are solved, and for how long at most."""
    assert queue_pricing.DEADLINE_SECONDS == mix_pricing.DEADLINE_SECONDS
    assert (PLACED_RATIO, BUSY_RATIO, SLICE_SECONDS) == (0.25, 0.1, 0.001)
    said = [
        f"when a quarter of it is placed, or {queue_pricing.SOLVE_EVERY_PODS} pods if those are",
        f"more than {FRESH_RATIO:.0%} of what was priced".replace("%", " %"),
        "else after a second" if FRESH_SECONDS == 1 else f"else after {FRESH_SECONDS:g} seconds",
        f"priced anew at least every {EXPECTED_SECONDS:.0f} seconds",
        f"priced every {mix_pricing.SOLVE_EVERY_SECONDS / 60:.0f} minutes, or when it has doubled",
        f"not solved within {queue_pricing.DEADLINE_SECONDS:.0f} seconds",
        "Solving takes at most a tenth of the time",
        "on the inbox for a millisecond at a time",
        "within its last minute" if LAG_SECONDS == 60 else f"its last {LAG_SECONDS:g} seconds",
        f"A change by less than {USAGE_RATIO_STEP}",
        "at most once a second" if REBUILD_SECONDS == 1 else f"every {REBUILD_SECONDS:g} seconds",
        f"up to {['eight', str(LISTED_CLASSES)][LISTED_CLASSES != 8]} classes of candidates",
        f"Beyond {WORKLOADS_MAX:,} workloads",
        "at most once a minute" if LOG_PAUSE_SECONDS == 60 else f"every {LOG_PAUSE_SECONDS} s",
    ]

    assert [phrase for phrase in said if phrase not in words(TEXT)] == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("assume_seconds", "dropped after {:.0f} seconds (`{}`"),
        ("readings_seconds", "every {:.0f} seconds (`{}`)"),
        ("stale_seconds", "older than {:.0f} seconds (`{}`)"),
        ("utilisation_ceiling_ratio", "beyond {:.0%} (`{}`)"),
        ("decisions_remembered", "remembers {:,} decisions (`{}`)"),
        ("ledger_rows_max", "the ledger {:,} (`{}`)"),
        ("drain_seconds", "answers for {:.0f} more seconds"),
        ("usage_ratio_fallback", "else measured over the cluster, else {}"),
        ("ledger_capacity", "a bounded queue, {:,} long"),
        ("rule", "With `--rule {}`, the default"),
        ("mode", "In `{}`, the default"),
    ],
)
def test_settings_have_the_defaults_that_the_page_names(name, said):
    """A default that changes changes here too, beside its flag."""
    phrase = said.format(SETTINGS[name], flag(name)).replace("%", " %")

    assert phrase in words(TEXT)


def test_every_flag_label_and_series_of_the_page_exists():
    """What the page tells people to type, write or look at is there."""
    flags = set(re.findall(r"`(--[a-z-]+)", TEXT))
    labels = set(re.findall(r"`((?:negawatt\.dev|app\.kubernetes\.io)/[a-z-]+)", TEXT))
    series = set(re.findall(r"`(negawatt_extender_[a-z_]+)`", TEXT))
    known = {family.name for family in FAMILIES} | {"negawatt_extender_internal_errors_total"}

    assert flags <= {flag(name) for name in SETTINGS}
    assert {CPU_LABEL, IGNORE, LATENCY_CRITICAL, CEILING, PART_OF} <= labels
    assert f"`{PART_OF}: {US}`" in TEXT
    assert series
    assert series <= known


def test_what_a_hung_extender_costs_is_what_the_configuration_says():
    """The time-out, the shares of nodes and whose absence is ignored are the shipped ones."""
    document, extender = scheduler_file()

    assert f"at most {extender['httpTimeout'].removesuffix('ms')} ms" in words(TEXT)
    assert extender["ignorable"]
    assert f"It is set to {document['percentageOfNodesToScore']}" in words(TEXT)
    assert "filterVerb" not in extender
