"""Settings of whoever writes to Kafka or reads from it, under the names that services take.

A service's settings inherit them beside `BaseSettings`; `kafka_settings` is what clients are given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_settings import NoDecode

from energy.errors import InputError
from telemetry.kafka.settings import KafkaSettings


class KafkaFlags(BaseModel):
    """Where Kafka is, who we are to it, and what of it we make."""

    kafka_servers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Brokers to ask first, comma-separated, as host:port."
    )
    kafka_topic_prefix: str = Field(
        "", description="What stands before the names of all topics and groups."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (default: no user)."
    )
    kafka_sasl_user: str | None = Field(None, description="User for SASL.")
    kafka_sasl_password_file: Path | None = Field(
        None, description="File with that user's password."
    )
    kafka_tls: bool = Field(
        default=False, description="Speak TLS to the brokers; implied by a CA or a certificate."
    )
    kafka_tls_ca_file: Path | None = Field(
        None, description="CA certificates that the brokers' certificates are checked with."
    )
    kafka_tls_cert_file: Path | None = Field(None, description="Our certificate for the brokers.")
    kafka_tls_key_file: Path | None = Field(None, description="Key of that certificate.")
    kafka_create_topics: bool = Field(
        default=True, description="Create topics that lack; false where others do."
    )
    kafka_partitions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        12, description="Partitions of a topic that is created: as many forecasters share it."
    )
    kafka_replication_factor: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Copies of a topic that is created (default: as the brokers have it)."
    )

    @field_validator("kafka_servers", mode="before")
    @classmethod
    def _split_servers(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(name for part in value.split(",") if (name := part.strip()))

    def kafka_settings(self) -> KafkaSettings:
        """What Kafka's clients are told.

        Raises:
            InputError: no broker is named, or something cannot be.
        """
        if not self.kafka_servers:
            raise InputError(
                "no broker is named",
                where="--kafka-servers",
                mend="give them as kafka.streams:9092,…",
            )
        given = {
            name.removeprefix("kafka_"): getattr(self, name) for name in KafkaFlags.model_fields
        }
        try:
            return KafkaSettings(**given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            what = first["msg"].removeprefix("Value error, ")
            name = f"--kafka-{str(first['loc'][0]).replace('_', '-')}" if first["loc"] else "kafka"
            raise InputError(what, where=name) from None
