"""Where Kafka is, how we show who we are, and what we take of its and our own memory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]

_SERVER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_PORT_MAX: Final = 65_535


class KafkaSettings(BaseModel):
    """All that our Kafka clients can be told; secrets are named by their files and read late."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: tuple[str, ...] = Field(min_length=1)
    """Brokers to ask first, as host:port."""

    client_id: str = Field("negawatt", min_length=1, max_length=100)
    """By what name the brokers' logs and quotas know us."""

    topic_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]*$", max_length=100)
    """What stands before the names of all our topics and groups."""

    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_user: str | None = None
    sasl_password_file: Path | None = None
    """File with the password; a line end after it does not count."""

    tls: bool = False
    """Whether to speak TLS; implied by each of the files below."""

    tls_ca_file: Path | None = None
    """Who may have signed the brokers' certificates (default: whom the system trusts)."""

    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    """Our own certificate, and its key."""

    create_topics: bool = True
    """Whether to create topics that lack."""

    partitions: Annotated[int, Field(ge=1, le=10_000)] = 12
    """Of a topic that we create: at most as many readers share it."""

    replication_factor: Annotated[int, Field(ge=1, le=100)] | None = None
    """Of a topic that we create (default: as the brokers have it)."""

    compression: Literal["none", "gzip"] = "gzip"

    buffer_messages: Annotated[int, Field(ge=1, le=10_000_000)] = 50_000
    """Messages of a producer that wait for an acknowledgement at most, some 2 kB each."""

    send_seconds_max: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 5.0
    """How long `send` waits for room in that buffer."""

    delivery_seconds: Seconds = 86_400.0
    """After this a message is given up that no broker acknowledged."""

    connect_seconds: Seconds = 10.0
    """How long a new client tries to reach a broker."""

    request_seconds: Annotated[float, Field(ge=1, le=300, allow_inf_nan=False)] = 15.0
    """How long a broker may take to answer."""

    commit_seconds: Seconds = 5.0
    """How long a commit is tried."""

    session_seconds: Annotated[float, Field(ge=1, le=1800, allow_inf_nan=False)] = 45.0
    """After this a reader that was killed loses its partitions to others."""

    poll_seconds_max: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 120.0
    """After this without a poll a reader loses its partitions; a rebalance waits no longer."""

    @field_validator("servers")
    @classmethod
    def _addresses(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            found = _SERVER.fullmatch(server)
            if found is None:
                raise ValueError(f"a broker is given as host:port, not {server!r}")
            if not 1 <= int(found[2]) <= _PORT_MAX:
                raise ValueError(f"{server!r} has no such port; give 1 to {_PORT_MAX}")
        return servers

    @model_validator(mode="after")
    def _whole(self) -> Self:
        sasl = (self.sasl_mechanism, self.sasl_user, self.sasl_password_file)
        if any(each is not None for each in sasl) and None in sasl:
            raise ValueError(
                "--kafka-sasl-mechanism, --kafka-sasl-user and --kafka-sasl-password-file go"
                " together: give all or none"
            )
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError(
                "--kafka-tls-cert-file and --kafka-tls-key-file go together: give both or neither"
            )
        return self

    @property
    def speaks_tls(self) -> bool:
        """Whether connections are TLS."""
        return self.tls or self.tls_ca_file is not None or self.tls_cert_file is not None

    @property
    def where(self) -> str:
        """Name the brokers for people."""
        return f"Kafka at {','.join(self.servers)}"
