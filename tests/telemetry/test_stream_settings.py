"""Which stream a service is on."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from energy.errors import InputError
from telemetry.kafka import KafkaSettings, KafkaStream
from telemetry.stream.memory import MemoryStream
from telemetry.stream.settings import StreamFields, open_stream


class Settings(StreamFields, BaseSettings):
    """A service's."""

    model_config = SettingsConfigDict(env_prefix="TRIED__", extra="forbid", frozen=True)


def test_memory_is_the_stream_unless_another_is_asked_for():
    """One forecaster needs no Kafka."""
    assert isinstance(open_stream(Settings()), MemoryStream)


def test_brokers_come_from_the_environment(monkeypatch):
    """Comma-separated, as flags are."""
    monkeypatch.setenv("TRIED__STREAM", "kafka")
    monkeypatch.setenv("TRIED__KAFKA_SERVERS", "one:9092, two:9092")
    settings = Settings()

    assert settings.kafka_servers == ("one:9092", "two:9092")
    assert isinstance(open_stream(settings), KafkaStream)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "--kafka-servers: says no broker; give host:port of at least one"),
        ({"kafka_servers": "kafka"}, "--kafka-servers: a broker is given as host:port"),
        (
            {"kafka_servers": "a:1,b:99999"},
            "--kafka-servers: 'b:99999' has no such port; give 1 to 65535",
        ),
        ({"kafka_servers": "[::1]:0"}, "--kafka-servers: '[::1]:0' has no such port"),
        (
            {"kafka_servers": "a:1", "kafka_tls_ca_file": "/nope"},
            "/nope: no such file or directory; give a readable --kafka-tls-ca-file",
        ),
        (
            {"kafka_servers": "a:1", "kafka_tls_ca_file": __file__},
            f"{__file__}: cannot be used for TLS (",
        ),
        (
            {
                "kafka_servers": "a:1",
                "kafka_sasl_mechanism": "PLAIN",
                "kafka_sasl_user": "alice",
                "kafka_sasl_password_file": "/",
            },
            "/: is a directory; give a readable --kafka-sasl-password-file",
        ),
        (
            {"kafka_servers": "a:1", "kafka_sasl_user": "alice"},
            "Kafka: --kafka-sasl-mechanism, --kafka-sasl-user",
        ),
        (
            {"kafka_servers": "a:1", "kafka_tls_key_file": "k"},
            "Kafka: --kafka-tls-cert-file and --kafka-tls-key",
        ),
    ],
)
def test_half_of_what_kafka_needs_is_refused(given, line):
    """In one line, by the setting's name."""
    with pytest.raises(InputError) as raised:
        open_stream(Settings(stream="kafka", **given))

    assert str(raised.value).startswith(line)


def test_every_field_of_a_service_is_one_of_kafkas():
    """So none is forgotten on the way."""
    names = {name for name in StreamFields.model_fields if name.startswith("kafka_")}

    assert {name.removeprefix("kafka_") for name in names} <= set(KafkaSettings.model_fields)
    with pytest.raises(ValidationError):
        KafkaSettings(servers=())
