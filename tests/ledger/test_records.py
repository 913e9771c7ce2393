"""Predictions, actions and errors of forecasts: checked when made, and back as they went in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from decisions import NOON, made
from hypothesis import HealthCheck, given, settings
from predictions import predicted, predictions
from record_kinds import acted, actions, erred, errors

from energy.errors import InputError
from ledger.action import ActionDecision
from ledger.filters import ActionFilter, DecisionFilter, ForecastErrorFilter, PredictionFilter
from ledger.forecast_error import ForecastError
from ledger.record import PodEnd
from ledger.store import Ledger

FILTERS = (DecisionFilter, PredictionFilter, ActionFilter, ForecastErrorFilter)
ONE_LEDGER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)


@given(action=actions(), error=errors())
def test_actions_and_errors_survive_json(action, error) -> None:
    """What another process reads of the document is the same record."""
    for record in (action, error):
        wire = json.dumps(record.document(), allow_nan=False).encode()

        assert type(record).from_document(json.loads(wire)) == record


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decided_at_seconds", 1e12),
        ("kind", "guess"),
        ("subject_name", ""),
        ("action", ""),
        ("saved_watts", float("inf")),
        ("detail", [1]),
        ("detail", {"a": float("nan")}),
        ("detail", {"a": {"b": "\0"}}),
        ("detail", {"a": "\ud800"}),
        ("detail", {"a": object()}),
    ],
)
def test_an_action_that_no_ledger_could_keep_is_refused_by_name(name, value) -> None:
    """The message names the field, in one line."""
    with pytest.raises(InputError, match=f"ActionDecision.{name}") as refused:
        acted(**{name: value})

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("forecast_key", ""),
        ("horizon_seconds", 1.5),
        ("window_end_seconds", NOON - 1),
        ("sample_count", -1),
        ("wape_ratio", -0.1),
        ("coverage_80_ratio", 1.1),
    ],
)
def test_an_error_that_no_ledger_could_keep_is_refused_by_name(name, value) -> None:
    """The same for errors of forecasts."""
    with pytest.raises(InputError, match=f"ForecastError.{name}"):
        erred(**{name: value})


@pytest.mark.parametrize("kind", [ActionDecision, ForecastError])
def test_half_a_document_is_no_record(kind) -> None:
    """A missing field is named instead of guessed."""
    with pytest.raises(InputError, match="missing"):
        kind.from_document({"mode": "act"})


def all_of(ledger: Ledger) -> list:
    """Return every record but the decisions, oldest first."""
    return [
        *ledger.predictions(limit=1000).predictions,
        *ledger.actions(limit=1000).actions,
        *ledger.forecast_errors(limit=1000).forecast_errors,
    ]


@ONE_LEDGER
@given(prediction=predictions(), action=actions(), error=errors())
def test_every_record_comes_back_as_it_went_in(ledgers, prediction, action, error) -> None:
    """Signs, quotes, other planes, extreme numbers: the row is the record."""
    for ledger in ledgers:
        ledger.record([prediction, action, error])

        found = all_of(ledger)

        for record in (prediction, action, error):
            assert record in found


def test_one_batch_takes_all_kinds_or_none(ledger) -> None:
    """A slip in one record leaves the others out too, whichever table they go to."""
    records = [predicted(), acted(), erred()]
    with pytest.raises(Exception, match="object"):
        ledger.record([*records, object()])
    assert all_of(ledger) == []

    ledger.record([*records, made()])

    assert all_of(ledger) == records
    assert ledger.decisions().decisions == (made(),)


def test_an_error_for_the_same_window_takes_the_place_of_the_other(ledger) -> None:
    """Computed again, with forecasts that came late; another horizon is another record."""
    later = replace(erred(), sample_count=61, wape_ratio=None)
    ledger.record([erred(), erred(horizon_seconds=600)])
    ledger.record([later, later])

    found = ledger.forecast_errors(oldest_first=True).forecast_errors

    assert found == (later, erred(horizon_seconds=600))


@pytest.mark.parametrize(
    ("chosen", "models"),
    [
        ({}, "dcba"),
        ({"model": "a"}, "a"),
        ({"best_server": "old"}, "b"),
        ({"source": "cluster"}, "c"),
        ({"since_seconds": NOON + 1, "until_seconds": NOON + 3}, "cb"),
        ({"model": "A"}, ""),
    ],
)
def test_a_filter_of_predictions_keeps_what_it_names(ledger, chosen, models) -> None:
    """Newest first."""
    ledger.record(
        [
            predicted(model="a"),
            predicted(model="b", best_server="old", predicted_at_seconds=NOON + 1),
            predicted(model="c", source="cluster", predicted_at_seconds=NOON + 2),
            predicted(model="d", best_server=None, predicted_at_seconds=NOON + 3),
        ]
    )

    found = ledger.predictions(PredictionFilter(**chosen)).predictions

    assert "".join(each.model for each in found) == models


@pytest.mark.parametrize(
    ("chosen", "actions"),
    [
        ({"kind": "node"}, ["sleep"]),
        ({"namespace": "shop"}, ["scale-up"]),
        ({"namespace": ""}, ["sleep"]),
        ({"subject": "Node/web"}, ["sleep"]),
        ({"subject": "web"}, ["sleep", "scale-up"]),
        ({"action": "scale-up"}, ["scale-up"]),
    ],
)
def test_a_filter_of_actions_keeps_what_it_names(ledger, chosen, actions) -> None:
    """A name or `Kind/name`, as for workloads."""
    asleep = {"kind": "node", "namespace": "", "subject_kind": "Node", "action": "sleep"}
    ledger.record([acted(), acted(**asleep, decided_at_seconds=NOON + 1)])

    found = ledger.actions(ActionFilter(**chosen)).actions

    assert [each.action for each in found] == actions


def test_pages_of_other_records_go_on_where_they_stopped(ledger) -> None:
    """Both ways, also where times are equal."""
    numbers = [*range(7)]
    ledger.record([erred(horizon_seconds=number) for number in numbers])
    for oldest_first in (False, True):
        found, cursor = [], None
        while True:
            page = ledger.forecast_errors(limit=3, cursor=cursor, oldest_first=oldest_first)
            found += [each.horizon_seconds for each in page.forecast_errors]
            cursor = page.cursor
            if cursor is None:
                break
        assert found == (numbers if oldest_first else numbers[::-1])
    chosen = ForecastErrorFilter(horizon_seconds=3)
    assert ledger.forecast_errors(chosen).forecast_errors == (erred(horizon_seconds=3),)
    assert ledger.count(chosen) == 1


@pytest.mark.parametrize("wrong", [{"model": "a\0"}, {"model": 7}, {"since_seconds": "now"}])
def test_a_filter_that_no_row_could_satisfy_is_refused(wrong) -> None:
    """A line instead of what a driver makes of it."""
    with pytest.raises(InputError, match="PredictionFilter"):
        PredictionFilter(**wrong)


def test_pages_of_predictions_end_by_their_servers(ledger) -> None:
    """Each has two servers: two fit, and one that is too large comes alone."""
    written = [predicted(predicted_at_seconds=NOON + row) for row in range(5)]
    ledger.record(written)
    for servers_max, sizes in ((5, [2, 2, 1]), (1, [1] * 5 + [0]), (100, [5])):
        found, cursor, pages = [], None, []
        while not pages or cursor is not None:
            page = ledger.predictions(
                cursor=cursor, oldest_first=True, servers_max=servers_max, limit=100
            )
            found += page.predictions
            pages.append(len(page.predictions))
            cursor = page.cursor

        assert found == written
        assert pages == sizes


def test_a_batch_of_every_kind_that_is_written_twice_is_there_once(ledger) -> None:
    """As after a commit whose answer never came; the same twice from two callers is two."""
    batch = [made(), PodEnd("0", NOON + 60), predicted(), predicted(), acted(), acted(), erred()]

    ledger.record(batch)
    ledger.record(batch)

    assert [ledger.count(each()) for each in FILTERS] == [1, 2, 2, 1]
    assert {each.uid for each in ledger.predictions().predictions} == {
        each.uid for each in batch[2:4]
    }
