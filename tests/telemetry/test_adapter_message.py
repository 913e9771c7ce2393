"""prometheus-kafka-adapter's JSON, with what is known to be odd about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from energy.errors import InputError
from telemetry.adapter_message import AdapterMapping, AdapterMessage
from telemetry.messages import TrafficSample

MAPPING = AdapterMapping(
    fields_by_metric={
        "workload:requests:rate1m": "requests_per_second",
        "workload:cpu:rate1m": "cpu_cores",
    },
    kind_label="workload_type",
    name_label="workload",
)
LABELS = {"__name__": "workload:requests:rate1m", "namespace": "shop", "workload": "web"}


def message(**change: object) -> bytes:
    """Give a message as serializers.go of the adapter writes it."""
    whole = {
        "timestamp": "2024-05-01T10:00:00Z",
        "value": "12.5",
        "name": "workload:requests:rate1m",
        "labels": LABELS,
    }
    return json.dumps({**whole, **change}).encode()


def test_one_series_sample_is_a_sample_of_one_field():
    """The key is made of labels, the kind is a Deployment unless a label says so."""
    expected = TrafficSample(
        key="shop/Deployment/web",
        timestamp_milliseconds=1_714_557_600_000,
        requests_per_second=12.5,
    )

    assert MAPPING.decode(message()) == expected
    kind = {**LABELS, "workload_type": "StatefulSet"}
    assert MAPPING.decode(message(labels=kind)).key == "shop/StatefulSet/web"


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
def test_no_number_is_a_sample_that_says_nothing(value):
    """Not 0, and not poison: a stale series arrives so."""
    sample = MAPPING.decode(message(value=value))

    assert sample.requests_per_second is None
    assert sample.timestamp_milliseconds == 1_714_557_600_000


def test_metric_that_nobody_asked_for_is_passed_over():
    """A topic of the adapter has every series there is, also those without a workload."""
    assert MAPPING.decode(message(name="up", labels={"__name__": "up"}, value="huh")) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": "twelve"}, "value: is no number: 'twelve'"),
        ({"value": "1_000"}, "value: is no number"),
        ({"value": "1e999"}, "value: is no number"),
        ({"value": 12.5}, "value: input should be a valid string"),
        ({"value": "-3"}, "greater than or equal to 0"),
        ({"value": "1e15"}, "less than or equal to"),
        ({"timestamp": "1714557600"}, "timestamp: is no time"),
        ({"timestamp": "2024-05-01T10:00:00"}, "timestamp: is no time"),
        ({"timestamp": "2024-13-01T10:00:00Z"}, "timestamp: month must be"),
        ({"timestamp": "1969-12-31T23:59:59Z"}, "timestamp_milliseconds"),
        ({"labels": {"namespace": "shop"}}, "has no workload"),
        ({"labels": {}}, "has no namespace and no workload"),
        ({"labels": {**LABELS, "workload": "a b"}}, "key: string should match"),
        ({"labels": {**LABELS, "workload": 5}}, "labels.workload: input should be a valid string"),
    ],
)
def test_poison_is_refused_with_its_reason(change, words):
    """What cannot be understood is said, never guessed."""
    with pytest.raises(InputError) as raised:
        MAPPING.decode(message(**change))

    assert words in str(raised.value)


@given(st.binary() | st.recursive(st.text(), st.lists).map(lambda it: json.dumps(it).encode()))
def test_rubbish_is_refused(data):
    """Whatever the bytes, there is nothing but an InputError."""
    with pytest.raises(InputError):
        MAPPING.decode(data)


@given(
    st.integers(0, 9_999_999_999_999),
    st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))]),
    st.integers(0, 9),
)
def test_time_is_exact_to_the_millisecond(milliseconds, zone, digits):
    """Whatever the zone; what is finer is cut, as the adapter cuts to whole seconds."""
    whole = datetime.fromtimestamp(milliseconds // 1000, zone).isoformat()
    fraction = f"{milliseconds % 1000:03}999999"[:digits]
    date, offset = whole[:19], whole[19:].replace("+00:00", "Z")
    given_time = f"{date}.{fraction}{offset}" if digits else f"{date}{offset}"

    found = AdapterMessage.from_bytes(message(timestamp=given_time)).timestamp_milliseconds()

    lost = 10 ** (3 - min(digits, 3))
    assert found == milliseconds // lost * lost


def test_duplicates_and_reordering_are_kept_as_they_come():
    """The mapper is pure: who reads merges by key and minute."""
    times = ("2024-05-01T10:01:00Z", "2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z")
    samples = [MAPPING.decode(message(timestamp=each)) for each in times]

    assert [each.timestamp_milliseconds % 600_000 for each in samples] == [60_000, 0, 0]
    assert samples[1] == samples[2]


def test_mapping_names_only_fields_that_there_are():
    """A typing error is found at the start."""
    with pytest.raises(ValidationError, match="'rps' is none"):
        AdapterMapping(fields_by_metric={"requests": "rps"})
