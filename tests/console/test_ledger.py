"""`negawatt ledger`: records out, rows away, schema up and down; one line where that fails."""

from __future__ import annotations

import csv
import io
import json
from itertools import islice

import pytest
from command_line import negawatt
from decisions import NOON, made, many
from predictions import predicted
from record_kinds import acted, erred

from ledger.decision import PlacementDecision
from ledger.filters import DecisionFilter
from ledger.store import Ledger

DAY = 86_400


@pytest.fixture
def url(tmp_path, monkeypatch):
    """A ledger with some of everything, which the commands find by the environment."""
    place = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with Ledger.open(place) as ledger:
        ledger.record([made(), made(uid="b", namespace="blog", decided_at_seconds=NOON + 1)])
        ledger.record([predicted(), acted(), erred()])
    monkeypatch.setenv("NEGAWATT_EXTENDER__LEDGER_URL", place)
    return place


def lines(text: str) -> list:
    """Return the objects of JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def test_decisions_come_out_as_they_are(url) -> None:
    """Oldest first; what another reads of a line is the decision."""
    done = negawatt("ledger", "export", "decisions", "--output", "jsonl")

    assert (done.returncode, done.stderr) == (0, "")
    found = [PlacementDecision.from_document(each) for each in lines(done.stdout)]
    assert found == [made(), made(uid="b", namespace="blog", decided_at_seconds=NOON + 1)]


def test_a_csv_has_a_header_and_lists_as_json(url) -> None:
    """Spreadsheets open it; what is unknown is an empty cell."""
    done = negawatt("ledger", "export", "decisions", "--namespace", "shop")

    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["pod"], row["chosen_watts"], row["ended_at_seconds"]) == (made().pod, "12.5", "")
    assert [each["node"] for each in json.loads(row["candidates"])] == ["new-1", "old-1"]


@pytest.mark.parametrize("start", [*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20"])
def test_no_spreadsheet_runs_what_a_record_says(url, start) -> None:
    """A caller's text becomes text; numbers below zero stay numbers."""
    text = f"{start}1+1"
    with Ledger.open(url) as ledger:
        ledger.record([acted(reason=text, saved_watts=-1.5, subject_name="last")])

    done = negawatt("ledger", "export", "actions", "--workload", "last")

    (row,) = csv.DictReader(io.StringIO(done.stdout, newline=""))
    assert (row["reason"], row["saved_watts"]) == (f"'{text}", "-1.5")


@pytest.mark.parametrize(
    ("what", "options", "field"),
    [
        ("predictions", ("--node", "new", "--model", "forest"), {"task_load_percent": 40.0}),
        ("actions", ("--workload", "Deployment/web"), {"action": "scale-up"}),
        ("forecast-errors", ("--workload", "shop/Deployment/web"), {"sample_count": 60}),
        ("savings", ("--namespace", "shop"), {"workload_name": "web", "decisions": 1}),
    ],
)
def test_every_kind_of_record_comes_out(url, what, options, field) -> None:
    """Chosen by what it has."""
    done = negawatt("ledger", "export", what, *options, "--output", "jsonl")

    assert done.returncode == 0, done.stderr
    found = lines(done.stdout)
    assert field.items() <= found[0].items()
    assert negawatt("ledger", "export", what, "--until", "1970-01-02").stdout == ""


def test_savings_by_hour_add_up_to_those_by_day(url) -> None:
    """Each period once, also those of rows that were deleted."""
    with Ledger.open(url) as ledger:
        ledger.end_pods([("0", NOON + DAY), ("b", NOON + DAY)])
    assert negawatt("ledger", "vacuum", "--days", 1).returncode == 0

    totals = []
    for period in ("hour", "day"):
        done = negawatt("ledger", "export", "savings", "--period", period, "--output", "jsonl")
        found = lines(done.stdout)
        totals.append((len(found) > 2, sum(each["forgone_joules"] for each in found)))

    expected = pytest.approx(7.25 * (2 * DAY - 1))
    assert totals == [(True, expected), (True, expected)]


def test_many_pages_go_into_a_file_whole(url, tmp_path) -> None:
    """More than a page, each once, and nothing beside the file."""
    with Ledger.open(url) as ledger:
        ledger.write(islice(many(namespace="many"), 2500))
    file = tmp_path / "out" / "decisions.csv"

    done = negawatt("ledger", "export", "decisions", "--namespace", "many", "--file", file)

    assert "2500 records" in done.stderr
    with file.open(encoding="utf-8", newline="") as stream:
        uids = [row["uid"] for row in csv.DictReader(stream)]
    assert uids == [f"uid-{number}" for number in range(2500)]
    assert [each.name for each in file.parent.iterdir()] == ["decisions.csv"]


def test_a_file_stays_as_it_was_where_the_export_fails(url, tmp_path) -> None:
    """Half an export would be taken for a whole one."""
    file = tmp_path / "decisions.csv"
    file.write_text("before", encoding="utf-8")

    done = negawatt("ledger", "export", "actions", "--node", "a", "--file", file)

    assert (done.returncode, file.read_text(encoding="utf-8")) == (2, "before")
    assert {each.name for each in tmp_path.iterdir()} <= {
        "decisions.csv",
        "ledger.sqlite",
        "ledger.sqlite-shm",
        "ledger.sqlite-wal",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export", "pods"), "decisions, predictions"),
        (("export", "decisions", "--since", "yesterday"), "--since: no time"),
        (("export", "decisions", "--since", "nan"), "--since: no time"),
        (("export", "savings", "--since", "-inf"), "--since: no time"),
        (("export", "decisions", "--until", "inf"), "--until: no time"),
        (("export", "decisions", "--since", "20261122"), "give 2026-11-22"),
        (("export", "decisions", "--reason", "dear"), "preferred, dearer"),
        (("export", "decisions", "--output", "xml"), "csv, jsonl"),
        (("export", "savings", "--node", "a"), "--node"),
        (("export", "savings", "--period", "week"), "hour, day"),
        (("export", "decisions", "--ledger-url", "sqlite:////nowhere/a"), "no ledger there"),
        (("export", "decisions", "--ledger-url", "none"), "keeps no ledger"),
        (("vacuum", "--days", "0"), "--days: must be at least 1, not 0"),
        (("vacuum", "--days", "nan"), "--days: must be at least 1, not nan"),
        (("vacuum", "--rows", "-3"), "--rows: must be at least 1, not -3"),
        (("vacuum", "--ledger-url", "redis://a"), "no ledger in redis"),
        (
            ("migrate", "--to", "0099"),
            "0099 lies behind this ledger's; give one of 0001, ",
        ),
        (("migrate", "--to", "0001"), "add --yes"),
        (("migrate", "--to", "base"), "all placement decisions"),
    ],
)
def test_what_cannot_be_done_is_one_line(url, arguments, said) -> None:
    """Where, what, and how to mend it; exit code 2."""
    done = negawatt("ledger", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_vacuum_says_what_would_go_and_then_lets_it_go(url) -> None:
    """Sums stay, the file shrinks."""
    with Ledger.open(url) as ledger:
        ledger.write(islice(many(ended_at_seconds=NOON + 60, reason="r" * 4000), 1500))
        before = ledger.savings("namespace", since_seconds=0, now_seconds=NOON + DAY)
    asked = ("ledger", "vacuum", "--rows", 100, "--output", "json")

    would = json.loads(negawatt(*asked, "--dry-run").stdout)
    with Ledger.open(url) as ledger:
        assert ledger.count(DecisionFilter()) == 1502
    done = json.loads(negawatt(*asked).stdout)

    assert (would["decisions"], done["decisions"]) == (1402, 1402)
    assert (would["after_bytes"], done["dry_run"]) == (None, False)
    assert done["after_bytes"] < done["before_bytes"] / 2
    with Ledger.open(url) as ledger:
        after = ledger.savings("namespace", since_seconds=0, now_seconds=NOON + DAY)
    assert [row.decisions for row in after] == [row.decisions for row in before]
    table = negawatt("ledger", "vacuum", "--dry-run").stdout
    assert "decisions deleted" in table
    assert table.isascii()  # no box, as of all other commands


def test_migrate_goes_up_and_down_and_says_what_is_lost(url) -> None:
    """Decisions stay; what only the newer schema holds goes, with consent."""
    trial = negawatt("ledger", "migrate", "--to", "0001", "--dry-run")
    assert "would go to 0001; lost: all predictions" in trial.stdout
    assert negawatt("ledger", "migrate", "--to", "0001", "--yes").returncode == 0

    older = negawatt("ledger", "export", "decisions")
    assert (older.returncode, "negawatt ledger migrate" in older.stderr) == (2, True)
    assert "would go to" in negawatt("ledger", "migrate", "--dry-run").stdout
    done = json.loads(negawatt("ledger", "migrate", "--output", "json").stdout)

    assert (done["before"], done["now"] == done["newest"]) == ("0001", True)
    with Ledger.open(url) as ledger:
        assert ledger.count(DecisionFilter()) == 2
        assert ledger.count(DecisionFilter(reason_kind="dearer")) == 2
        assert ledger.predictions().predictions == ()
