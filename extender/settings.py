"""What a person may configure: flags of `negawatt extender run`, or the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from telemetry.serving.given_settings import SettingsSource, require_whole_tls

PREFIX = "NEGAWATT_EXTENDER__"
MEASURED: Literal["measured"] = "measured"
NO_LEDGER = "none"
MEBIBYTE = 1024 * 1024

Ratio = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


def default_ledger_url() -> str:
    """SQLite in the state directory of the XDG specification, or NEGAWATT_STATE."""
    given = os.environ.get("NEGAWATT_STATE")
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    folder = Path(given) if given else Path(state).expanduser() / "negawatt"
    return f"sqlite:///{folder.absolute() / 'ledger.sqlite'}"


class ExtenderSettings(BaseSettings):
    """All that the extender can be told. Flags come first, then the environment, then these."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    mode: Literal["observe", "act"] = Field(
        "observe",
        description="`observe` watches every bind and records what it would have chosen; `act` also"
        " tells kube-scheduler, which has to be configured to ask.",
    )
    rule: str = Field(
        "negawatt",
        description="The rule that ranks the nodes: negawatt, envelope, fill-cost,"
        " efficiency-order, marginal or marginal-idle.",
    )
    kubeconfig: Path | None = Field(
        None,
        description="Kubeconfig file (default: as kubectl finds it, or the pod's account).",
    )
    context: str | None = Field(None, description="Context of the kubeconfig (default: current).")
    host: str = Field(
        "127.0.0.1",
        description="Address to listen on; off loopback a token or a client CA is required.",
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        10_380, description="Port to listen on; 0 takes any, and is printed."
    )
    scheduler_names: Annotated[tuple[str, ...], NoDecode] = Field(
        ("negawatt",),
        description="Schedulers, comma-separated, whose pending pods are the queue that is priced"
        " (in observe mode: all).",
    )
    power_profiles: Path | None = Field(
        None, description="File of PowerProfile documents, besides those of the cluster."
    )
    prometheus_url: str | None = Field(
        None, description="Prometheus to read node load and power from (default: none is read)."
    )
    prometheus_token_file: Path | None = Field(
        None, description="File with the bearer token for Prometheus."
    )
    prometheus_ca_file: Path | None = Field(
        None, description="CA certificates that Prometheus' certificate is checked with."
    )
    usage_ratio: Ratio | Literal["measured"] = Field(
        MEASURED,
        description="What pods use of the CPU they request, 0-1, or `measured` from node load.",
    )
    usage_ratio_fallback: Ratio = Field(
        0.5, description="That ratio as long as nothing was measured, 0-1."
    )
    utilisation_ceiling_ratio: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = Field(
        0.7, description="How full energy may pack a node that latency-critical pods run on, 0-1."
    )
    nodes_may_sleep: bool = Field(
        default=False,
        description="Whether something turns empty nodes off; if so, idle watts count.",
    )
    expected_demand: Path | None = Field(
        None, description="CSV of the demand to expect: cpu_millicores,memory_mebibytes,count."
    )
    assume_seconds: Seconds = Field(
        10.0, description="How long a pod that was scored counts on its node before it is bound."
    )
    readings_seconds: Seconds = Field(
        15.0, description="How often Prometheus and metrics.k8s.io are read."
    )
    stale_seconds: Seconds = Field(
        120.0, description="How old a reading may be before the next source is used instead."
    )
    ledger_url: str = Field(
        default_factory=default_ledger_url,
        repr=False,  # it may hold a password
        description="Database of decisions: sqlite:////path, mariadb:// (or mysql://) and"
        " postgresql://user@host/database; `none` keeps none (default: SQLite in"
        " $NEGAWATT_STATE, or negawatt/ in $XDG_STATE_HOME or ~/.local/state).",
    )
    ledger_password_file: Path | None = Field(
        None,
        description="File with the password for the ledger's database, where that is a server;"
        " the URL then has none.",
    )
    ledger_capacity: Count = Field(
        10_000, description="Decisions that wait for the ledger; more are dropped and counted."
    )
    ledger_rows_max: Count = Field(
        500_000,
        description="Decisions that the ledger keeps; then the oldest are deleted, ended pods'"
        " first (some 2.5 kB each).",
    )
    ledger_days_max: Annotated[float, Field(ge=1, le=36_525, allow_inf_nan=False)] | None = Field(
        None,
        description="Days that the ledger keeps the decisions of ended pods; sums of them stay"
        " (default: as --ledger-rows-max says).",
    )
    decisions_remembered: Count = Field(
        10_000, description="Decisions that `explain` can still tell."
    )
    token_file: Path | None = Field(
        None, description="File with the bearer token that callers off loopback must send."
    )
    tls_cert_file: Path | None = Field(None, description="Certificate to serve HTTPS with.")
    tls_key_file: Path | None = Field(None, description="Key of that certificate.")
    tls_client_ca_file: Path | None = Field(
        None, description="CA, of its own, whose client certificates are let in off loopback."
    )
    body_limit_bytes: Annotated[int, Field(ge=1024, le=1024 * MEBIBYTE)] = Field(
        16 * MEBIBYTE,
        description="Largest request that is read; 5,000 whole nodes are some 50 MB.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins, comma-separated, whose pages may ask for predictions from a browser,"
        " such as https://tools.example:8443 (default: none).",
    )
    drain_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = Field(
        5.0, description="How long to go on answering after SIGTERM, while /readyz says no."
    )

    @field_validator("scheduler_names", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(name for part in value.split(",") if (name := part.strip()))

    @field_validator("scheduler_names")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(value):
            raise ValueError("names no scheduler")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if origin != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in {
                "http",
                "https",
            }:
                raise ValueError("must be origins such as https://tools.example:8443, without path")
        return value

    @field_validator("prometheus_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError("must be a URL such as http://prometheus.monitoring:9090")
        return value

    @model_validator(mode="after")
    def _tls_is_whole(self) -> ExtenderSettings:
        require_whole_tls(self)
        return self


SOURCE: Final = SettingsSource(
    kind=ExtenderSettings, prefix=PREFIX, service="the extender", command="negawatt extender run"
)


def read_settings(
    flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> ExtenderSettings:
    """See `SettingsSource.read`."""
    return SOURCE.read(flags, environ)
