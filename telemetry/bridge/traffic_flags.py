"""Settings of whoever reads traffic from Prometheus: the bridge, or a forecaster without a broker.

A service's settings inherit them beside `BaseSettings`, so that both take the same names.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode

from energy.errors import InputError
from telemetry.bridge.core import BridgeCore
from telemetry.bridge.minutes import DAYS_MAX
from telemetry.bridge.state_file import BridgeState
from telemetry.prometheus import Prometheus, PrometheusSettings, whole_matchers
from telemetry.traffic.custom import CustomQueries, read_custom_queries
from telemetry.traffic.presets import PRESETS
from telemetry.traffic.query import DUPLICATE_LABELS, TrafficQuery, TrafficScope
from telemetry.traffic.reader import TrafficOptions, TrafficReader

HOURS_MAX: Final = DAYS_MAX * 24

Names = Annotated[tuple[str, ...], NoDecode]
Window = Annotated[int, Field(ge=2, le=3600)]


class TrafficFlags(BaseModel):
    """Which Prometheus, which queries, which minutes."""

    prometheus_url: str | None = Field(
        None, description="Prometheus to read from, such as http://prometheus.monitoring:9090."
    )
    prometheus_token_file: Path | None = Field(
        None, description="File with the bearer token for Prometheus."
    )
    prometheus_username: str = Field(
        "", description="User for Prometheus' basic authentication, instead of a token."
    )
    prometheus_password_file: Path | None = Field(
        None, description="File with that user's password."
    )
    prometheus_ca_file: Path | None = Field(
        None, description="CA certificates that Prometheus' certificate is checked with."
    )
    prometheus_timeout_seconds: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = Field(
        30.0, description="How long one query may take."
    )
    presets: Names = Field(
        tuple(PRESETS),
        description="Exporters to ask, comma-separated; of two that tell of the same workload the"
        " first counts. Those that are not there cost a query each and find nothing.",
    )
    queries_file: Path | None = Field(
        None,
        description="YAML file of queries of your own, which count before the presets, and of"
        " Services' workloads.",
    )
    matchers: str = Field(
        "", description='Label matchers added to every query, such as cluster="prod".'
    )
    namespaces: Names = Field(
        (), description="Namespaces whose workloads count, comma-separated (default: all)."
    )
    duplicate_labels: Names = Field(
        DUPLICATE_LABELS,
        description="Labels, comma-separated, that only tell apart who scraped: of series alike"
        " otherwise the largest counts.",
    )
    rate_window_seconds: Window = Field(
        120,
        description="Over which rates are taken; twice the interval of scrapes, or more.",
    )
    stale_seconds: Window = Field(
        120, description="How old a gauge's last sample may be before it counts as absent."
    )
    backfill_hours: Annotated[float, Field(ge=0, le=HOURS_MAX, allow_inf_nan=False)] = Field(
        float(HOURS_MAX),
        description="How far back to begin where nothing says what was read already.",
    )
    delay_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = Field(
        15.0, description="How long after its end a minute is read, so that scrapes have arrived."
    )
    reread_minutes: Annotated[int, Field(ge=0, le=60)] = Field(
        5,
        description="Minutes before the newest that are read again with it; what has changed is"
        " sent again.",
    )

    @field_validator("presets", "namespaces", "duplicate_labels", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(name for part in value.split(",") if (name := part.strip()))

    @field_validator("presets")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in PRESETS:
                raise ValueError(f"there is no preset {name!r}: use {', '.join(PRESETS)}")
        return value

    @field_validator("matchers")
    @classmethod
    def _whole_matchers(cls, value: str) -> str:
        return whole_matchers(value)

    @field_validator("duplicate_labels")
    @classmethod
    def _labels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not name.isidentifier() or not name.isascii():
                raise ValueError(f"{name!r} is no label")
        return value

    def prometheus_settings(self) -> PrometheusSettings:
        """Where Prometheus is, and who we are to it.

        Raises:
            InputError: it is not said, or cannot be; or the file with the password or the token
                cannot be read.
        """
        if self.prometheus_url is None:
            raise InputError(
                "no Prometheus is named", where="--prometheus-url", mend="give its address"
            )
        if self.prometheus_token_file is not None:
            # Read anew at every query; what cannot be read now is a mistake and no mishap.
            _text(self.prometheus_token_file, "--prometheus-token-file")
        try:
            return PrometheusSettings(
                url=self.prometheus_url,
                bearer_token_file=self.prometheus_token_file,
                username=self.prometheus_username,
                password=_password(self.prometheus_password_file),
                ca_file=self.prometheus_ca_file,
                timeout_seconds=self.prometheus_timeout_seconds,
                matchers=self.matchers,
            )
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            if not first["loc"]:
                raise InputError(
                    "give a user or a token, not both", where="--prometheus-username"
                ) from None
            what = first["msg"].removeprefix("Value error, ")
            given = str(first["loc"][0])
            where = "--prometheus-url" if given == "url" else f"--prometheus-{given}"
            raise InputError(what, where=where) from None

    def traffic_options(self) -> TrafficOptions:
        """What is asked of it.

        Raises:
            InputError: the file of queries cannot be used, or nothing is left to ask.
        """
        custom = read_custom_queries(self.queries_file) if self.queries_file else CustomQueries()
        queries = (*custom.queries, *queries_of(self.presets))
        if not queries:
            raise InputError("nothing is to be read", where="--presets", mend="name a preset")
        return TrafficOptions(
            queries=queries,
            scope=TrafficScope(
                window_seconds=self.rate_window_seconds,
                stale_seconds=self.stale_seconds,
                matchers=self.matchers,
                duplicate_labels=self.duplicate_labels,
            ),
            services=custom.services,
            namespaces=frozenset(self.namespaces),
        )

    def bridge_core(self, state: BridgeState | None = None) -> BridgeCore:
        """A reader of minutes that knows what is left to read.

        Raises:
            InputError: see the other methods.
        """
        reader = TrafficReader(Prometheus(self.prometheus_settings()), self.traffic_options())
        return BridgeCore(
            reader,
            backfill_minutes=round(self.backfill_hours * 60),
            delay_seconds=self.delay_seconds,
            reread_minutes=self.reread_minutes,
            state=state,
        )

    def fingerprint(self, stream: str) -> str:
        """What a state is of: this Prometheus, these queries, and the stream by its name."""
        options = self.traffic_options()
        parts = [
            self.prometheus_url or "",
            stream,
            *(query.render(options.scope) for query in options.queries),
            *(f"{name}={key}" for name, key in sorted(options.services.items())),
            *sorted(options.namespaces),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def queries_of(presets: tuple[str, ...]) -> tuple[TrafficQuery, ...]:
    """The queries of presets, in their order."""
    return tuple(query for name in presets for query in PRESETS[name].queries)


def _password(path: Path | None) -> SecretStr:
    return SecretStr("" if path is None else _text(path, "--prometheus-password-file"))


def _text(path: Path, flag: str) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "is no text"
        raise InputError(why.lower(), where=str(path), mend=f"give a readable {flag}") from None
