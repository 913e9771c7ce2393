"""What a person may configure: flags of `negawatt telemetry run`, or the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from telemetry.bridge.traffic_flags import TrafficFlags
from telemetry.serving.given_settings import SettingsSource, require_whole_tls
from telemetry.stream.interface import SAMPLES_TOPIC
from telemetry.stream.settings import StreamFields

PREFIX: Final = "NEGAWATT_TELEMETRY__"


def default_state_file() -> Path:
    """In the state directory of the XDG specification, or NEGAWATT_STATE."""
    given = os.environ.get("NEGAWATT_STATE")
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    folder = Path(given) if given else Path(state).expanduser() / "negawatt"
    return folder.absolute() / "telemetry.json"


class BridgeSettings(StreamFields, TrafficFlags, BaseSettings):
    """All that the bridge can be told. Flags come first, then the environment, then these."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    # In memory nobody would be there to read: for that the forecaster runs a bridge of its own.
    stream: Literal["kafka"] = Field("kafka", description="Where samples go: `kafka`.")
    state_file: Path = Field(
        default_factory=default_state_file,
        description="Where is kept which minutes the broker has acknowledged (default:"
        " telemetry.json in $NEGAWATT_STATE, or in negawatt/ in $XDG_STATE_HOME or"
        " ~/.local/state).",
    )
    host: str = Field(
        "127.0.0.1",
        description="Address to listen on; off loopback a token or a client CA is required.",
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        10_382, description="Port to listen on; 0 takes any, and is printed."
    )
    token_file: Path | None = Field(
        None, description="File with the bearer token that callers off loopback must send."
    )
    tls_cert_file: Path | None = Field(None, description="Certificate to serve HTTPS with.")
    tls_key_file: Path | None = Field(None, description="Key of that certificate.")
    tls_client_ca_file: Path | None = Field(
        None, description="CA, of its own, whose client certificates are let in off loopback."
    )
    drain_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = Field(
        0.0, description="How long to go on answering after SIGTERM, while /readyz says no."
    )

    @property
    def stream_name(self) -> str:
        """Whose acknowledgements are kept: these brokers' and this topic's."""
        brokers = ",".join(sorted(self.kafka_servers))
        return f"{brokers} {self.kafka_topic_prefix}{SAMPLES_TOPIC.name}"

    @model_validator(mode="after")
    def _tls_is_whole(self) -> BridgeSettings:
        require_whole_tls(self)
        return self


SOURCE: Final = SettingsSource(
    kind=BridgeSettings, prefix=PREFIX, service="the bridge", command="negawatt telemetry run"
)


def read_settings(
    flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> BridgeSettings:
    """See `SettingsSource.read`."""
    return SOURCE.read(flags, environ)
