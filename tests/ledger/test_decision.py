"""A decision that can be made can be written, sent and summed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from decisions import decisions, made
from hypothesis import given

from energy.errors import InputError
from ledger.decision import Candidate, PlacementDecision


@given(decision=decisions())
def test_a_decision_survives_json(decision) -> None:
    """What another process reads of the document is the same decision."""
    wire = json.dumps(decision.document(), allow_nan=False).encode()

    assert PlacementDecision.from_document(json.loads(wire)) == decision


def test_forgone_watts_are_signed_and_known_only_when_both_are() -> None:
    """A choice better than ours counts against us; an unknown is not a zero."""
    assert made(chosen_watts=12.0, preferred_watts=5.0).forgone_watts == 7.0
    assert made(chosen_watts=5.0, preferred_watts=12.0).forgone_watts == -7.0
    assert made(chosen_watts=None, preferred_watts=5.0).forgone_watts is None
    assert made(chosen_watts=5.0, preferred_watts=None).forgone_watts is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chosen_watts", float("nan")),
        ("preferred_watts", float("inf")),
        ("chosen_watts", 1e101),
        ("chosen_watts", "5"),
        ("decided_at_seconds", -1.0),
        ("decided_at_seconds", None),
        ("cpu_millicores", -1),
        ("cpu_millicores", 1.5),
        ("cpu_millicores", True),
        ("memory_bytes", 2**63),
        ("mode", "watch"),
        ("namespace", ""),
        ("namespace", "n" * 64),
        ("pod", "p\0"),
        ("reason", "\ud800"),
        ("reason", ""),
        ("uid", None),
        ("node_chosen", 7),
        ("candidates", ({"node": "a"},)),
    ],
)
def test_what_no_ledger_could_keep_is_refused_by_name(name, value) -> None:
    """The message names the field, in one line."""
    with pytest.raises(InputError, match=f"PlacementDecision.{name}") as refused:
        replace(made(), **{name: value})

    assert "\n" not in str(refused.value)


def test_a_candidate_is_checked_too() -> None:
    """Its figures end in the same row."""
    with pytest.raises(InputError, match=r"Candidate.cost"):
        Candidate(node="a", rank=0, cost=float("inf"), watts=None, source="requests")


@pytest.mark.parametrize("document", [{}, {"mode": "act"}, {"candidates": [1]}])
def test_half_a_document_is_no_decision(document) -> None:
    """A missing field is named instead of guessed."""
    with pytest.raises(InputError, match="no placement decision"):
        PlacementDecision.from_document(document)


def test_numbers_become_plain_numbers() -> None:
    """A whole number of watts, or one of another library's types, is a float from here on."""
    decision = made(chosen_watts=12, decided_at_seconds=100)

    assert type(decision.chosen_watts) is float
    assert type(decision.decided_at_seconds) is float


def test_a_decision_needs_no_database() -> None:
    """The process that decides loads the libraries of the ledger only if it keeps one."""
    check = "import sys, ledger.decision; sys.exit('sqlalchemy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
