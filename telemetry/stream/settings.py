"""Which stream a service is on: fields that its settings inherit, and the stream they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_settings import NoDecode

from energy.errors import InputError
from telemetry.serving.given_settings import flag
from telemetry.stream.interface import Stream
from telemetry.stream.memory import MemoryStream


class StreamFields(BaseModel):
    """Fields for a service's settings: `class BridgeSettings(StreamFields, BaseSettings)`."""

    stream: Literal["memory", "kafka"] = Field(
        "memory",
        description="`memory`: bridge and forecaster are one process; `kafka`: they meet there.",
    )
    kafka_servers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Brokers to ask first, comma-separated, as host:port."
    )
    kafka_client_id: str = Field("negawatt", description="Name in the brokers' logs and quotas.")
    kafka_topic_prefix: str = Field(
        "", description="What stands before the names of all our topics and groups."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="How to log in: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (default: not)."
    )
    kafka_sasl_user: str | None = Field(None, description="User to log in as.")
    kafka_sasl_password_file: Path | None = Field(None, description="File with its password.")
    kafka_tls: bool = Field(
        default=False, description="Whether to speak TLS; implied by the files below."
    )
    kafka_tls_ca_file: Path | None = Field(
        None, description="CA of the brokers' certificates (default: the system's)."
    )
    kafka_tls_cert_file: Path | None = Field(None, description="Our certificate for the brokers.")
    kafka_tls_key_file: Path | None = Field(None, description="Key of that certificate.")
    kafka_create_topics: bool = Field(
        default=True, description="Whether to create topics that lack."
    )
    kafka_partitions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        12, description="Partitions of a topic that is created: at most as many readers share it."
    )
    kafka_replication_factor: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Replicas of a topic that is created (default: the brokers')."
    )
    kafka_compression: Literal["none", "gzip"] = Field(
        "gzip", description="How messages are compressed: gzip or none."
    )
    kafka_buffer_messages: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        50_000, description="Messages that wait for the brokers at most, some 2 kB each."
    )

    @field_validator("kafka_servers", mode="before")
    @classmethod
    def _comma_separated(cls, given: object) -> object:
        if isinstance(given, str):
            return tuple(each.strip() for each in given.split(",") if each.strip())
        return given


def open_stream(settings: StreamFields) -> Stream:
    """Make the stream that a service's settings mean; nothing is connected yet.

    Raises:
        InputError: Kafka is asked for, but not where it is, or half of what it needs, or with
            files that cannot be used.
    """
    if settings.stream == "memory":
        return MemoryStream()
    if not settings.kafka_servers:
        raise InputError(
            "says no broker", where="--kafka-servers", mend="give host:port of at least one"
        )
    from telemetry.kafka import KafkaSettings, KafkaStream

    prefix = "kafka_"
    given: dict[str, Any] = {
        name.removeprefix(prefix): getattr(settings, name)
        for name in StreamFields.model_fields
        if name.startswith(prefix)
    }
    try:
        stream = KafkaStream(KafkaSettings(**given))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = flag(f"{prefix}{first['loc'][0]}") if first["loc"] else "Kafka"
        what, _, mend = first["msg"].removeprefix("Value error, ").partition("; ")
        raise InputError(what, where=where, mend=mend) from None
    stream.require_files()
    return stream
