"""The page of messages, and their schemas."""

from __future__ import annotations

import json

import pytest
import repository

from telemetry.reference import FORECAST, SAMPLE, files, schema_of

FOLDER = repository.ROOT / "docs/reference"


@pytest.mark.parametrize("name", sorted(files()))
def test_generated_file_is_up_to_date(name):
    """`python -m telemetry.reference docs/reference` makes it so."""
    assert (FOLDER / name).read_text(encoding="utf-8") == files()[name]


@pytest.mark.parametrize("example", [SAMPLE, FORECAST], ids=lambda each: type(each).__name__)
def test_schema_names_every_field_that_is_written(example):
    """And says of each what it means."""
    properties = json.loads(schema_of(type(example)))["properties"]

    assert list(properties) == list(json.loads(example.to_bytes()))
    assert all(each["description"] for each in properties.values())
