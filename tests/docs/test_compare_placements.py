"""The how-to on comparing placements names what the command offers."""

from __future__ import annotations

import dataclasses
import re

import repository

from console.placement_requests import DEFAULT_POLICIES
from simulator.comparison import PolicyResult
from simulator.policies import BOUND, POLICIES
from simulator.policy import MOVES

TEXT = (repository.ROOT / "docs/how-to/compare-placements.md").read_text(encoding="utf-8")


def test_every_policy_is_described():
    """A policy that the command lists has a row that says how it places."""
    described = {name for line in re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
                 for name in re.findall(r"`([^`]+)`", line)}  # fmt: skip

    assert {*POLICIES, *POLICIES.others, BOUND, f"NAME{MOVES}N"} <= described


def test_the_default_policies_are_named():
    """What runs when no policy is named stands in the row of the option."""
    (row,) = re.findall(r"^\| `--policy` \|.*$", TEXT, re.MULTILINE)

    assert set(DEFAULT_POLICIES) <= set(re.findall(r"`([^`]+)`", row))


def test_every_figure_that_needs_words_has_them():
    """The figures of moves and waiting are explained by the names that JSON uses."""
    fields = {field.name for field in dataclasses.fields(PolicyResult)}
    explained = {"evictions", "evictions_per_pod_day", "pending_pods", "bound_kilowatt_hours"}

    assert explained <= fields
    assert all(f"`{name}`" in TEXT for name in explained)
