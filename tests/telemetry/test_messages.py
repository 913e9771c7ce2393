"""What travels on the stream: what goes out comes in, and rubbish is named as such."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from energy.errors import InputError
from telemetry.messages import (
    BYTES_MAX,
    RATE_MAX,
    TIMESTAMP_MILLISECONDS_MAX,
    HorizonForecast,
    TrafficForecast,
    TrafficSample,
)

NAMES = st.from_regex(r"[A-Za-z0-9][-A-Za-z0-9._:]{0,40}", fullmatch=True)
KEYS = st.builds("{}/{}/{}".format, NAMES, NAMES, NAMES)
STAMPS = st.integers(0, TIMESTAMP_MILLISECONDS_MAX)
RATES = st.floats(0, RATE_MAX, allow_nan=False)
LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)

SAMPLES = st.builds(
    TrafficSample,
    key=KEYS,
    timestamp_milliseconds=STAMPS,
    requests_per_second=st.none() | RATES,
    response_time_p95_seconds=st.none() | RATES,
    cpu_cores=st.none() | RATES,
    memory_bytes=st.none() | st.floats(0, BYTES_MAX),
    network_bytes_per_second=st.none() | st.floats(0, BYTES_MAX),
    ready_replicas=st.none() | RATES,
)
HORIZONS = st.builds(
    HorizonForecast,
    horizon_seconds=st.integers(1, 86_400),
    requests_per_second=st.lists(RATES, min_size=5, max_size=5).map(lambda each: (*sorted(each),)),
)
FORECASTS = st.builds(
    TrafficForecast,
    key=KEYS,
    issued_at_milliseconds=st.integers(0, 10**12),
    model=st.text(min_size=1, max_size=200),
    quantiles=st.just(LEVELS),
    horizons=st.lists(HORIZONS, min_size=1, max_size=6, unique_by=lambda each: each.horizon_seconds)
    .map(lambda each: sorted(each, key=lambda one: one.horizon_seconds))
    .map(tuple),
    anomaly=st.booleans(),
    valid_until_milliseconds=st.integers(10**12, TIMESTAMP_MILLISECONDS_MAX),
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
SAMPLE = {"key": "shop/Deployment/web", "timestamp_milliseconds": 60_000}
FORECAST = {
    "key": "shop/Deployment/web",
    "issued_at_milliseconds": 60_000,
    "model": "mixture",
    "quantiles": [0.1, 0.5, 0.9],
    "horizons": [{"horizon_seconds": 300, "requests_per_second": [1.0, 2.0, 3.0]}],
    "anomaly": False,
    "valid_until_milliseconds": 660_000,
}


@given(SAMPLES)
def test_sample_that_is_written_is_read(sample):
    """Every float comes back as it was."""
    assert TrafficSample.from_bytes(sample.to_bytes()) == sample


@given(FORECASTS)
def test_forecast_that_is_written_is_read(forecast):
    """Lists come back as tuples."""
    assert TrafficForecast.from_bytes(forecast.to_bytes()) == forecast


@given(st.binary())
def test_rubbish_is_refused_in_one_line(data):
    """Whatever the bytes, there is nothing but an InputError."""
    for kind in (TrafficSample, TrafficForecast):
        with pytest.raises(InputError) as raised:
            kind.from_bytes(data)
        assert "\n" not in str(raised.value)


@given(JSON)
def test_foreign_json_is_refused(document):
    """Sound JSON is not yet a message."""
    with pytest.raises(InputError):
        TrafficSample.from_bytes(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("requests_per_second", -1.0, "greater than or equal to 0, not -1.0"),
        ("requests_per_second", 1e15, "less than or equal to 1000000000000"),
        ("requests_per_second", "5", "valid number, not '5'"),
        ("requests_per_second", True, "valid number"),
        ("cpu_cores", math.nan, "finite"),
        ("memory_bytes", math.inf, "finite"),
        ("key", "shop/web", "key: string should match"),
        ("key", "shop/Deployment/web\n", "key: string should match"),
        ("key", "a/b/" + "c" * 600, "at most 571"),
        ("timestamp_milliseconds", -1, "greater than or equal to 0"),
        ("timestamp_milliseconds", 1_700_000_000_000_000_000, "less than or equal"),
        ("timestamp_milliseconds", 1.5, "valid integer"),
        ("timestamp_milliseconds", None, "valid integer"),
        ("schema_version", 2, "schema_version: input should be 1, not 2"),
    ],
)
def test_sample_that_cannot_be_is_refused_by_field(field, value, words):
    """The line says which field, and what stood there."""
    with pytest.raises(InputError, match="TrafficSample: ") as raised:
        TrafficSample.from_bytes(json.dumps({**SAMPLE, field: value}).encode())

    assert words in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quantiles": [0.1, 0.9, 0.5]}, "quantiles must rise"),
        ({"quantiles": [0.1, 0.5]}, "3 rates for 2 quantiles"),
        ({"horizons": FORECAST["horizons"] * 2}, "horizons must rise"),
        ({"horizons": []}, "at least 1 item"),
        (
            {"horizons": [{"horizon_seconds": 300, "requests_per_second": [1, 3, 2]}]},
            "the rates 300 s ahead fall",
        ),
        ({"valid_until_milliseconds": 0}, "not valid until it was issued"),
    ],
)
def test_forecast_that_contradicts_itself_is_refused(change, words):
    """Quantiles and horizons rise, and there is a rate for each."""
    with pytest.raises(InputError) as raised:
        TrafficForecast.from_bytes(json.dumps({**FORECAST, **change}).encode())

    assert words in str(raised.value)


def test_fields_that_a_later_version_adds_are_passed_over():
    """So fields may be added without a new version of the schema."""
    data = json.dumps({**SAMPLE, "queue_length": 4, "schema_version": 1}).encode()

    assert TrafficSample.from_bytes(data) == TrafficSample(**SAMPLE)


def test_what_cannot_be_read_cannot_be_made():
    """A writer finds its own faults, not its readers."""
    with pytest.raises(ValidationError):
        TrafficSample(**SAMPLE, requests_per_second=math.nan)


def test_forecast_is_of_the_time_at_which_it_was_issued():
    """Streams seek by it."""
    forecast = TrafficForecast.from_bytes(json.dumps(FORECAST).encode())

    assert forecast.timestamp_milliseconds == 60_000
