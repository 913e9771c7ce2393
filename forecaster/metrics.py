"""The forecaster's series: one table of names, from which the text and the page are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from forecaster.figures import Figures, Gauge
from forecaster.horizons import QUANTILE_LEVELS
from forecaster.own_errors import OwnError
from telemetry.serving.series import COUNTER, GAUGE, Family, Row, lines

PREFIX: Final = "negawatt_forecaster_"
#: The one that autoscalers read; its name is part of the contract.
FORECAST: Final = "negawatt_forecast_requests_per_second"
WORKLOAD: Final = ("namespace", "kind", "name")
_RECENT: Final = "half-life one day"


def exposition(registry: CollectorRegistry, figures: Figures) -> bytes:
    """All series."""
    own = (line for family in FAMILIES for line in lines(family, figures))
    return generate_latest(registry) + "".join(own).encode()


def process_registry() -> CollectorRegistry:
    """What Prometheus' client says of the process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def _one(value: Callable[[Figures], float | None]) -> Callable[[Figures], Iterable[Row]]:
    def rows(figures: Figures) -> Iterator[Row]:
        if (found := value(figures)) is not None:
            yield (), found

    return rows


def _gauge(name: str, text: str, value: Callable[[Figures], float | None]) -> Family[Figures]:
    return Family(name=PREFIX + name, kind=GAUGE, text=text, rows=_one(value))


def _counter(name: str, text: str, value: Callable[[Figures], float | None]) -> Family[Figures]:
    return Family(name=f"{PREFIX}{name}_total", kind=COUNTER, text=text, rows=_one(value))


def _workload(gauge: Gauge) -> tuple[str, ...]:
    return tuple(gauge.key.split("/", 2))


def _forecasts(figures: Figures) -> Iterator[Row]:
    for gauge in figures.gauges:
        rates = gauge.requests_per_second
        if rates is not None:
            for level, rate in zip(QUANTILE_LEVELS, rates, strict=True):
                yield (*_workload(gauge), f"{level:g}"), rate


def _error(name: str, text: str, field: str) -> tuple[Family[Figures], Family[Figures]]:
    """The error of each model over all workloads, and of what opted-in workloads were served."""

    def pooled(figures: Figures) -> Iterator[Row]:
        for model, error in figures.errors.items():
            if (value := _value(error, field)) is not None:
                yield (model,), value

    def each(figures: Figures) -> Iterator[Row]:
        for gauge in figures.gauges:
            if (value := _value(gauge.error, field)) is not None:
                yield _workload(gauge), value

    return (
        Family(
            name=f"{PREFIX}error_{name}",
            kind=GAUGE,
            text=f"{text}, by model over all workloads ({_RECENT}).",
            labels=("model",),
            rows=pooled,
        ),
        Family(
            name=f"{PREFIX}workload_error_{name}",
            kind=GAUGE,
            text=f"{text}, of what an opted-in workload was served ({_RECENT}).",
            labels=WORKLOAD,
            rows=each,
        ),
    )


def _value(error: OwnError | None, field: str) -> float | None:
    value = getattr(error, field, None)
    return value if isinstance(value, float) else None


def _anomalous(figures: Figures) -> Iterator[Row]:
    for gauge in figures.gauges:
        if gauge.anomalous is not None:
            yield _workload(gauge), float(gauge.anomalous)


def _measured(figures: Figures) -> Iterator[Row]:
    for gauge in figures.gauges:
        if gauge.measured_requests_per_second is not None:
            yield _workload(gauge), gauge.measured_requests_per_second


def _weights(figures: Figures) -> Iterator[Row]:
    for gauge in figures.gauges:
        for model, weight in gauge.weights.items():
            yield (*_workload(gauge), model), weight


def _lead_times(figures: Figures) -> Iterator[Row]:
    for gauge in figures.gauges:
        yield _workload(gauge), float(gauge.horizon_seconds)


def _ledger(figures: Figures) -> Iterator[Row]:
    for state, count in figures.ledger.items():
        yield (state,), count


def _info(figures: Figures) -> Iterator[Row]:
    yield (version("negawatt"), figures.version), 1.0


FAMILIES: Final[tuple[Family[Figures], ...]] = (
    Family(
        name=FORECAST,
        kind=GAUGE,
        text="Forecast of an opted-in workload at its lead time; absent while none is valid.",
        labels=(*WORKLOAD, "quantile"),
        rows=_forecasts,
    ),
    Family(
        name=f"{PREFIX}build_info",
        kind=GAUGE,
        text="Always 1; the version, and that of the models that serve, are in the labels.",
        labels=("version", "models"),
        rows=_info,
    ),
    Family(
        name=f"{PREFIX}anomaly",
        kind=GAUGE,
        text="1 while an opted-in workload's traffic is out of the ordinary, else 0; absent in an"
        " outage.",
        labels=WORKLOAD,
        rows=_anomalous,
    ),
    Family(
        name=f"{PREFIX}workload_requests_per_second",
        kind=GAUGE,
        text="The newest minute of an opted-in workload, as measured; absent in an outage.",
        labels=WORKLOAD,
        rows=_measured,
    ),
    Family(
        name=f"{PREFIX}workload_lead_time_seconds",
        kind=GAUGE,
        text="How far ahead an opted-in workload's forecast looks.",
        labels=WORKLOAD,
        rows=_lead_times,
    ),
    Family(
        name=f"{PREFIX}workload_weight_ratio",
        kind=GAUGE,
        text="What each model counts in an opted-in workload's forecast, 0 to 1.",
        labels=(*WORKLOAD, "model"),
        rows=_weights,
    ),
    _gauge("anomalous_workloads", "Workloads out of the ordinary.", lambda f: f.anomalous_keys),
    _counter("anomalies", "Anomalies that began.", lambda f: f.anomalies_total),
    _gauge("workloads", "Workloads of our partitions.", lambda f: f.keys),
    _gauge("valid_workloads", "Workloads whose forecast is valid now.", lambda f: f.valid_keys),
    _gauge(
        "stale_workloads",
        "Workloads without a forecast because their newest sample is too old.",
        lambda f: f.stale_keys,
    ),
    _gauge(
        "minute_age_seconds",
        "Since the newest minute ended that was forecast in full.",
        lambda f: f.newest_minute_age_seconds,
    ),
    _gauge("last_forecast_seconds", "What the last forecast took.", lambda f: f.forecast_seconds),
    _counter("samples", "Samples read.", lambda f: f.samples_total),
    _gauge(
        "early_samples",
        "Samples that were stamped ahead of our clock and wait for it: one of the clocks is wrong.",
        lambda f: f.early_samples,
    ),
    _counter("minutes_accepted", "Minutes that were new.", lambda f: f.accepted_total),
    _counter("minutes_repeated", "Minutes that were known already.", lambda f: f.repeated_total),
    _counter("minutes_late", "Minutes filled in after a later one.", lambda f: f.late_total),
    Family(
        name=f"{PREFIX}samples_refused_total",
        kind=COUNTER,
        text="Samples not taken: from the future, too old, no rate, of too many workloads, or"
        " refused by the history.",
        labels=("reason",),
        rows=lambda f: (((reason,), count) for reason, count in f.refused.items()),
    ),
    Family(
        name=f"{PREFIX}lag_messages",
        kind=GAUGE,
        text="Samples on the stream that were not read yet.",
        labels=("partition",),
        rows=lambda f: (((str(each),), lag) for each, lag in dict(f.lag).items()),
    ),
    _counter("dead_letters", "Samples that were poison.", lambda f: f.dead_letters_total),
    _counter(
        "forecasts_published",
        "Forecasts made; on Kafka they are handed to it.",
        lambda f: f.published_total,
    ),
    _counter(
        "forecasts_withheld",
        "Forecasts not made, such as of a workload that warms up.",
        lambda f: f.withheld_total,
    ),
    _counter(
        "forecasts_dropped",
        "Forecasts for which the stream had no room.",
        lambda f: f.forecasts_dropped_total,
    ),
    _counter(
        "forecasts_failed",
        "Forecasts that the stream took and gave up.",
        lambda f: f.forecasts_failed_total,
    ),
    _counter(
        "clock_backwards",
        "Times that the clock fell before what was forecast last.",
        lambda f: f.clock_backwards_total,
    ),
    _counter("turn_failures", "Turns that failed; see the log.", lambda f: f.turn_failures_total),
    _gauge("state_age_seconds", "Since the oldest state was kept.", lambda f: f.state_age_seconds),
    _counter("states_written", "States of partitions kept.", lambda f: f.states_written_total),
    _counter("state_failures", "States that could not be kept.", lambda f: f.state_failures_total),
    _counter("states_broken", "State files set aside as broken.", lambda f: f.states_broken_total),
    *_error("mae_requests_per_second", "MAE of the median", "mae_requests_per_second"),
    *_error("wape_ratio", "Absolute errors through what came", "wape_ratio"),
    *_error("relative_mae_ratio", "MAE through the last value's", "relative_mae_ratio"),
    *_error("pinball_requests_per_second", "Pinball loss", "pinball_requests_per_second"),
    *_error("coverage_80_ratio", "Share within the 80 % interval", "coverage_80_ratio"),
    *_error("coverage_95_ratio", "Share within the 95 % interval", "coverage_95_ratio"),
    _gauge(
        "trained_relative_mae_ratio",
        "The LSTM's relative MAE when it was trained.",
        lambda f: f.trained_ratio,
    ),
    _gauge(
        "typical_relative_mae_ratio",
        "Geometric mean over workloads of the LSTM's relative MAE of late; what drift is told by.",
        lambda f: f.typical_lstm_ratio,
    ),
    _gauge(
        "champion_serves",
        "1 while the registry's champion serves; 0 while another version has to.",
        lambda f: float(f.champion_serves),
    ),
    _gauge("training", "1 while new models are trained, else 0.", lambda f: float(f.trains)),
    _gauge(
        "challenger_scored_forecasts",
        "Forecasts on which a challenger was compared; absent without one.",
        lambda f: None if f.challenger is None else f.challenger_scored,
    ),
    _counter(
        "ledger_left_out",
        "Errors and anomalies of workloads for which the ledger's bound left no room.",
        lambda f: f.ledger_left_out_total,
    ),
    Family(
        name=f"{PREFIX}ledger_records",
        kind=GAUGE,
        text="Records for the ledger since the start: written, dropped, and those that wait.",
        labels=("state",),
        rows=_ledger,
    ),
)
