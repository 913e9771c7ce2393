"""What the forecaster says of itself: values for metrics, and all about one workload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from forecaster.core import Core
from forecaster.horizons import HORIZONS_SECONDS, MINUTE_SECONDS
from forecaster.own_errors import SERVED, OwnError
from forecaster.publishing import Latest
from forecaster.selection import horizon_index
from telemetry.messages import TrafficForecast

State = Literal["warming up", "ready", "stale", "anomalous"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether forecasts are made; one line for each thing that is missing."""

    ready: bool
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A workload that opted in: its forecast at its lead time, and how good such were.

    `requests_per_second` by quantile is None where no forecast is valid now; `measured` is the
    newest minute's rate, None in an outage; `weights` are those of the models at this lead time;
    `anomalous` is None where samples are too old to tell.
    """

    key: str
    horizon_seconds: int
    requests_per_second: tuple[float, ...] | None
    anomalous: bool | None
    error: OwnError | None
    measured_requests_per_second: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that metrics need, as of one moment."""

    version: str
    keys: int
    valid_keys: int
    stale_keys: int
    anomalous_keys: int
    anomalies_total: int
    newest_minute_age_seconds: float | None
    samples_total: int
    accepted_total: int
    repeated_total: int
    late_total: int
    refused: Mapping[str, int]
    lag: Mapping[int, int]
    published_total: int
    withheld_total: int
    forecasts_dropped_total: int
    forecasts_failed_total: int
    forecast_seconds: float
    dead_letters_total: int
    clock_backwards_total: int
    turn_failures_total: int
    state_age_seconds: float | None
    states_written_total: int
    state_failures_total: int
    states_broken_total: int
    errors: Mapping[str, OwnError]
    ledger_left_out_total: int
    trains: bool
    trained_ratio: float | None
    champion_serves: bool = True
    typical_lstm_ratio: float | None = None
    early_samples: int = 0
    challenger: str | None = None
    challenger_scored: int = 0
    gauges: tuple[Gauge, ...] = ()
    ledger: Mapping[str, int] = field(default_factory=dict)


class Member(BaseModel):
    """What one model of the mixture says, and what weight it has, by horizon."""

    model_config = ConfigDict(frozen=True)

    model: str
    requests_per_second: tuple[float | None, ...]
    weights: tuple[float, ...]


class Errors(BaseModel):
    """How far the forecasts of a workload were off of late (a day's half-life)."""

    model_config = ConfigDict(frozen=True)

    scored_count: float
    mae_requests_per_second: float | None
    wape_ratio: float | None
    relative_mae_ratio: float | None
    pinball_requests_per_second: float | None
    coverage_80_ratio: float | None
    coverage_95_ratio: float | None


class WorkloadState(BaseModel):
    """That a workload is known here, and how its forecast stands."""

    model_config = ConfigDict(frozen=True)

    key: str
    state: State


class Workload(BaseModel):
    """All about one workload."""

    model_config = ConfigDict(frozen=True)

    key: str
    state: State
    reason: str = Field(description="Why this forecast, or why there is none.")
    newest_sample_at_seconds: float | None
    forecast: TrafficForecast | None = Field(
        description="The newest forecast, also where it is no longer valid: see `state`."
    )
    version: str = Field(description="Of the models that serve now.")
    members: tuple[Member, ...]
    anomalous_since_seconds: float | None
    lead_time_seconds: float | None = Field(description="null where it did not opt in.")
    errors: Errors | None


def workload_of(core: Core, key: str, now_seconds: float, version: str) -> Workload | None:
    """What is known of a workload; None if no sample of it ever came."""
    newest = core.intake.newest_milliseconds(key)
    if not newest:
        return None
    latest = core.latest.get(key)
    message = None if latest is None else latest.message(SERVED)
    since = core.anomalies.since_minute(key)
    error = core.errors.of(key)
    return Workload(
        key=key,
        state=_state(latest, message, core.is_fresh(key, now_seconds), now_seconds),
        reason=_reason(latest),
        newest_sample_at_seconds=newest / 1000,
        forecast=message,
        version=version,
        members=() if latest is None else _members(latest),
        anomalous_since_seconds=None if since is None else since * MINUTE_SECONDS,
        lead_time_seconds=core.selection().lead_time_of(key),
        errors=None if error is None else Errors(**_fields(error)),
    )


def states_of(core: Core, now_seconds: float) -> tuple[WorkloadState, ...]:
    """Every workload of which a sample came, by key."""
    found = []
    for key in sorted(core.intake.keys()):
        if core.intake.newest_milliseconds(key):
            latest = core.latest.get(key)
            message = None if latest is None else latest.message(SERVED)
            state = _state(latest, message, core.is_fresh(key, now_seconds), now_seconds)
            found.append(WorkloadState(key=key, state=state))
    return tuple(found)


def figures_of(core: Core, now_seconds: float, **said: Any) -> Figures:  # noqa: ANN401 - fields of `Figures`
    """The core's figures, with what the service says of its gateways."""
    latest = core.latest.copy()
    valid = {key: one for key, one in latest.items() if now_seconds <= one.valid_until_seconds}
    shadow = core.shadow
    newest = core.schedule.closed * MINUTE_SECONDS if core.schedule.closed > 0 else None
    return Figures(
        keys=len(tuple(core.intake.keys())),
        valid_keys=sum(1 for one in valid.values() if _is_told(one)),
        stale_keys=core.stale_keys,
        early_samples=len(core.early),
        anomalous_keys=len(core.anomalies),
        anomalies_total=core.anomalies.started_total,
        newest_minute_age_seconds=None if newest is None else now_seconds - newest,
        accepted_total=core.put.accepted,
        repeated_total=core.put.repeated,
        late_total=core.put.late,
        refused={"history": core.put.refused} | dict(core.intake.refused),
        published_total=core.published_total,
        withheld_total=core.withheld_total,
        clock_backwards_total=core.schedule.clock_backwards_total,
        errors=core.errors.pooled(),
        typical_lstm_ratio=core.errors.typical_lstm_ratio(),
        ledger_left_out_total=core.hourly.left_out_total + core.anomalies.left_out_total,
        challenger=None if shadow is None else shadow.version,
        challenger_scored=0 if shadow is None else shadow.contest.scored_count,
        gauges=tuple(_gauges(core, latest, now_seconds)),
        **said,
    )


def _gauges(core: Core, latest: Mapping[str, Latest], now_seconds: float) -> list[Gauge]:
    selection = core.selection()
    found = []
    for key, one in latest.items():
        lead_time = selection.lead_time_of(key)
        if lead_time is None:
            continue
        index = horizon_index(lead_time)
        rates = one.requests_per_second[index]
        is_fresh = core.is_fresh(key, now_seconds)
        is_valid = now_seconds <= one.valid_until_seconds and _is_told(one)
        found.append(
            Gauge(
                key=key,
                horizon_seconds=HORIZONS_SECONDS[index],
                requests_per_second=tuple(rates.tolist()) if is_valid else None,
                anomalous=one.anomalous if is_fresh else None,
                error=core.errors.of(key),
                measured_requests_per_second=core.intake.newest_requests_per_second(key)
                if is_fresh
                else None,
                weights=_weights_at(one, index) if is_valid else {},
            )
        )
    return found


def _weights_at(latest: Latest, index: int) -> Mapping[str, float]:
    weights = np.nan_to_num(latest.forecasts.weights[latest.row, :, index]).tolist()
    return dict(zip(latest.forecasts.models, weights, strict=True))


def _is_told(latest: Latest) -> bool:
    return bool(np.isfinite(latest.requests_per_second).all())


def _state(
    latest: Latest | None,
    message: TrafficForecast | None,
    is_fresh: bool,  # noqa: FBT001
    now_seconds: float,
) -> State:
    if not is_fresh:
        return "stale"
    if latest is None or message is None:
        return "warming up"
    if now_seconds > latest.valid_until_seconds:
        return "stale"
    return "anomalous" if latest.anomalous else "ready"


def _reason(latest: Latest | None) -> str:
    return "its first minute is not over yet" if latest is None else latest.reason


def _members(latest: Latest) -> tuple[Member, ...]:
    medians = latest.forecasts.medians[latest.row]
    weights = latest.forecasts.weights[latest.row]
    return tuple(
        Member(
            model=model,
            requests_per_second=tuple(
                value if np.isfinite(value) else None for value in medians[place].tolist()
            ),
            weights=tuple(np.nan_to_num(weights[place]).tolist()),
        )
        for place, model in enumerate(latest.forecasts.models)
    )


def _fields(error: OwnError) -> dict[str, Any]:
    return {name: getattr(error, name) for name in Errors.model_fields}
