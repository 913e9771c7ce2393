"""What a person may configure: flags of `negawatt forecaster run`, or the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from energy.errors import InputError
from forecaster.intake import KEYS_MAX
from forecaster.selection import LEAD_TIME_SECONDS_MAX, wishes_of
from telemetry.bridge.traffic_flags import TrafficFlags
from telemetry.serving.given_settings import SettingsSource, require_whole_tls
from telemetry.stream.samples import SamplesFields
from telemetry.stream.settings import StreamFields

PREFIX: Final = "NEGAWATT_FORECASTER__"
NO_LEDGER: Final = "none"
PORT: Final = 10_383
DAY_SECONDS: Final = 86_400.0

Seconds = Annotated[float, Field(gt=0, le=DAY_SECONDS, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Names = Annotated[tuple[str, ...], NoDecode]


def state_folder() -> Path:
    """The state directory of the XDG specification, or NEGAWATT_STATE."""
    given = os.environ.get("NEGAWATT_STATE")
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return (Path(given) if given else Path(state).expanduser() / "negawatt").absolute()


def default_state_directory() -> Path:
    """Where partitions' states are kept unless it is said."""
    return state_folder() / "forecaster"


def default_models_directory() -> Path:
    """Where versions of the models are kept unless it is said."""
    return state_folder() / "models"


class ForecasterSettings(StreamFields, SamplesFields, TrafficFlags, BaseSettings):
    """All that the forecaster can be told. Flags come first, then the environment, then these."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    group: str = Field(
        "negawatt-forecaster",
        min_length=1,
        max_length=200,
        description="Consumer group on Kafka: forecasters of one group share the workloads.",
    )
    state_directory: Path = Field(
        default_factory=default_state_directory,
        description="Folder for what is known of each partition (default: forecaster/ in"
        " $NEGAWATT_STATE, or negawatt/forecaster/ in $XDG_STATE_HOME or ~/.local/state).",
    )
    state_seconds: Seconds = Field(
        300.0, description="How often a partition's state is written; offsets follow it."
    )
    wait_seconds: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = Field(
        30.0,
        description="How long a minute that is over is waited for; a workload whose sample is there"
        " is forecast at once.",
    )
    sample_age_seconds_max: Seconds = Field(
        300.0,
        description="How old a workload's newest measured sample may be for a forecast to be made.",
    )
    valid_seconds: Annotated[float, Field(ge=60, le=1800, allow_inf_nan=False)] = Field(
        300.0, description="How long a forecast may be used after the minute that it was made of."
    )
    keys_max: Count = Field(
        KEYS_MAX,
        description="Workloads that one forecaster knows at most, some 25 kB each; samples of more"
        " are refused and counted.",
    )
    opt_in: Names = Field(
        (),
        description="Workloads whose forecast is a gauge, comma-separated: namespace/Kind/name with"
        " * for any, and =SECONDS for a lead time of their own; `all` is all.",
    )
    lead_time_seconds: Annotated[
        float, Field(ge=1, le=LEAD_TIME_SECONDS_MAX, allow_inf_nan=False)
    ] = Field(
        600.0,
        description="How far ahead that gauge looks: the first horizon at or beyond it, of 300 to"
        " 1800 s in steps of 300.",
    )
    cluster: bool = Field(
        default=False,
        description="Whether to follow the annotations negawatt.dev/forecast and"
        " negawatt.dev/lead-time-seconds of Deployments and StatefulSets.",
    )
    kubeconfig: Path | None = Field(
        None,
        description="Kubeconfig file (default: as kubectl finds it, or the pod's account).",
    )
    context: str | None = Field(None, description="Context of the kubeconfig (default: current).")
    models_directory: Path = Field(
        default_factory=default_models_directory,
        description="Folder of the models' versions (default: models/ beside forecaster/, see"
        " --state-directory).",
    )
    retrain: bool = Field(
        default=True,
        description="Whether new models are trained, where the training libraries are installed.",
    )
    retrain_days: Annotated[float, Field(ge=0, le=366, allow_inf_nan=False)] = Field(
        7.0, description="From one training to the next; 0 is only where the models have drifted."
    )
    retrain_budget_seconds: Annotated[float, Field(ge=1, le=DAY_SECONDS, allow_inf_nan=False)] = (
        Field(3600.0, description="How long a training may take, at the lowest priority.")
    )
    drift_factor: Annotated[float, Field(gt=1, le=100, allow_inf_nan=False)] = Field(
        1.3,
        description="How much worse than at its training the LSTM's relative MAE, the geometric"
        " mean over workloads, may become before new models are trained, once a day at most.",
    )
    challenger_scored_min: Count = Field(
        10_000,
        description="Forecasts on which a challenger is compared before it takes over, after one,"
        " three or seven days.",
    )
    challenger_margin_ratio: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = Field(
        0.02,
        description="By how much a challenger's relative MAE, the geometric mean over workloads,"
        " must be lower.",
    )
    challenger_keys_max: Count = Field(
        500, description="Workloads that a challenger forecasts in the shadow."
    )
    host: str = Field(
        "127.0.0.1",
        description="Address to listen on; off loopback a token or a client CA is required.",
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        PORT, description="Port to listen on; 0 takes any, and is printed."
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
    ledger_url: str = Field(
        NO_LEDGER,
        repr=False,  # it may hold a password
        description="Database of errors and anomalies: sqlite:////path, mariadb:// (or mysql://)"
        " and postgresql://user@host/database; `none` keeps none.",
    )
    ledger_password_file: Path | None = Field(
        None,
        description="File with the password for the ledger's database, where that is a server;"
        " the URL then has none.",
    )
    ledger_keys_max: Count = Field(
        500,
        description="Workloads of those that opted in whose errors go to the ledger each hour,"
        " 18 rows each; and how many anomalies of an hour do, 2 rows each.",
    )

    @field_validator("opt_in", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(name for part in value.split(",") if (name := part.strip()))

    @field_validator("opt_in")
    @classmethod
    def _wishes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            wishes_of(value)
        except InputError as error:
            raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        require_whole_tls(self)
        if fault := self.fault_of_samples(self.stream):
            raise ValueError(fault)
        return self


SOURCE: Final = SettingsSource(
    kind=ForecasterSettings,
    prefix=PREFIX,
    service="the forecaster",
    command="negawatt forecaster run",
)


def read_settings(
    flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> ForecasterSettings:
    """See `SettingsSource.read`."""
    return SOURCE.read(flags, environ)
