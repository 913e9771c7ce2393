"""Which topic the forecaster's settings mean, and what is wrong with them."""

from __future__ import annotations

import json

import pytest

from energy.errors import InputError
from forecaster.__main__ import service_options
from forecaster.settings import read_settings
from telemetry.messages import TrafficSample
from telemetry.stream.interface import SAMPLES_TOPIC

MAPPING = """
fields_by_metric:
  workload:requests:rate1m: requests_per_second
  workload:cpu:rate1m: cpu_cores
name_label: workload
"""
KAFKA = {"stream": "kafka", "kafka_servers": "127.0.0.1:9092"}
ADAPTER = {**KAFKA, "samples_format": "adapter", "samples_topic": "metrics"}


def message(name: str) -> bytes:
    """Give what the adapter writes of a metric."""
    labels = {"namespace": "shop", "workload": "web"}
    whole = {"timestamp": "2024-05-01T10:00:00Z", "value": "3", "name": name, "labels": labels}
    return json.dumps(whole).encode()


def test_the_bridges_topic_is_read_unless_another_is_named():
    """In memory there is no other."""
    assert service_options(read_settings({}, {})).samples == SAMPLES_TOPIC
    named = service_options(read_settings({**KAFKA, "samples_topic": "mine"}, {})).samples
    assert (named.name, named.decode, named.is_keyed) == ("mine", SAMPLES_TOPIC.decode, True)


def test_rates_of_the_adapter_are_samples_and_all_else_is_passed_over(tmp_path):
    """A message of another measure would look like a minute without a rate."""
    file = tmp_path / "mapping.yaml"
    file.write_text(MAPPING, encoding="utf-8")
    topic = service_options(read_settings({**ADAPTER, "adapter_mapping": str(file)}, {})).samples

    assert topic.name == "metrics"
    assert not topic.is_keyed
    assert topic.decode(message("workload:requests:rate1m")) == TrafficSample(
        key="shop/Deployment/web",
        timestamp_milliseconds=1_714_557_600_000,
        requests_per_second=3.0,
    )
    assert topic.decode(message("workload:cpu:rate1m")) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fields_by_metric: {a: cpu_cores}", "no metric means requests_per_second"),
        ("fields_by_metric: {a: rps}", "a means no field of a sample: 'rps' is none"),
        ("metrics: {}", "fields_by_metric: field required"),
        ("- a", "says no `fields_by_metric:`"),
        ("", "says no `fields_by_metric:`"),
        ("a: [", "is no YAML"),
        ("[" * 5_000, "is no YAML"),
        ("#" * 1_100_000, "is larger than 1 MiB"),
    ],
)
def test_a_mapping_that_does_not_do_is_said_with_its_file(tmp_path, text, words):
    """In one line, at the start."""
    file = tmp_path / "mapping.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        service_options(read_settings({**ADAPTER, "adapter_mapping": str(file)}, {}))

    assert str(raised.value).startswith(f"{file}: ")
    assert words in str(raised.value)


def test_a_mapping_that_is_not_there_is_said(tmp_path):
    """By its name."""
    absent = str(tmp_path / "absent")
    with pytest.raises(InputError, match="absent: no such file"):
        service_options(read_settings({**ADAPTER, "adapter_mapping": absent}, {}))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (ADAPTER, "go together"),
        ({**KAFKA, "adapter_mapping": "m.yaml"}, "go together"),
        ({**ADAPTER, "samples_topic": None, "adapter_mapping": "m.yaml"}, "give --samples-topic"),
        ({"samples_topic": "mine"}, "are for --stream kafka"),
        ({**KAFKA, "samples_topic": "no topic"}, "--samples-topic: string should match"),
    ],
)
def test_half_of_what_an_adapter_needs_is_refused(given, words):
    """Before anything is connected."""
    with pytest.raises(InputError, match=words):
        read_settings(given, {})
