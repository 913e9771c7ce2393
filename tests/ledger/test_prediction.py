"""A prediction that can be made can be written, sent and read again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from predictions import predicted, predictions

from energy.errors import InputError
from ledger.prediction import Prediction


@given(prediction=predictions())
def test_a_prediction_survives_json(prediction) -> None:
    """What another process reads of the document is the same prediction."""
    wire = json.dumps(prediction.document(), allow_nan=False).encode()

    assert Prediction.from_document(json.loads(wire)) == prediction


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("predicted_at_seconds", -1.0),
        ("model", ""),
        ("model", "m" * 65),
        ("source", "guessed"),
        ("task_load_percent", 0.0),
        ("task_load_percent", float("inf")),
        ("best_server", ""),
        ("best_cost_watts", float("nan")),
        ("reason", ""),
        ("servers", ({"server": "a"},)),
    ],
)
def test_what_no_ledger_could_keep_is_refused_by_name(name, value) -> None:
    """The message names the field, in one line."""
    with pytest.raises(InputError, match=f"Prediction.{name}") as refused:
        replace(predicted(), **{name: value})

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["cpu_cores", "memory_gigabytes", "used_ratio"])
def test_a_server_is_checked_too(name) -> None:
    """Its figures end in the same row."""
    with pytest.raises(InputError, match=f"ServerPrediction.{name}"):
        replace(predicted().servers[0], **{name: -1.0})


@pytest.mark.parametrize("document", [{}, {"model": "forest"}, {"servers": [1]}])
def test_half_a_document_is_no_prediction(document) -> None:
    """A missing field is named instead of guessed."""
    with pytest.raises(InputError, match="no prediction"):
        Prediction.from_document(document)
