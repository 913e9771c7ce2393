"""The bridge's series: names, meanings, and where their values come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from telemetry.bridge.figures import BridgeFigures
from telemetry.serving.series import COUNTER, GAUGE, Family, Row, lines

PREFIX: Final = "negawatt_telemetry_"
_Rows = Callable[[BridgeFigures], Iterable[Row]]


def exposition(registry: CollectorRegistry, figures: BridgeFigures) -> bytes:
    """All series in Prometheus' text format."""
    own = (line for family in FAMILIES for line in lines(family, figures))
    return generate_latest(registry) + "".join(own).encode()


def process_registry() -> CollectorRegistry:
    """What Prometheus tells of any process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def _family(
    name: str, kind: str, text: str, rows: _Rows, labels: tuple[str, ...] = ()
) -> Family[BridgeFigures]:
    return Family(name=PREFIX + name, kind=kind, text=text, labels=labels, rows=rows)


def _one(value: Callable[[BridgeFigures], float | None]) -> _Rows:
    def rows(figures: BridgeFigures) -> Iterable[Row]:
        found = value(figures)
        return () if found is None else (((), found),)

    return rows


def _by(counts: Callable[[BridgeFigures], Mapping[str, int]]) -> _Rows:
    return lambda figures: (((name,), count) for name, count in sorted(counts(figures).items()))


FAMILIES: Final[tuple[Family[BridgeFigures], ...]] = (
    _family(
        "build_info",
        GAUGE,
        "Always 1; the version is in the label.",
        lambda _figures: (((version("negawatt"),), 1),),
        ("version",),
    ),
    _family(
        "samples_total",
        COUNTER,
        "Samples that the stream has acknowledged.",
        _one(lambda figures: figures.samples),
    ),
    _family(
        "late_samples_total",
        COUNTER,
        "Samples sent again, since Prometheus had another value by then.",
        _one(lambda figures: figures.samples_late),
    ),
    _family(
        "minutes_total",
        COUNTER,
        "Minutes whose samples the stream has acknowledged.",
        _one(lambda figures: figures.minutes),
    ),
    _family(
        "backfilled_minutes_total",
        COUNTER,
        "Minutes of the past that were acknowledged: before the start, or of a gap.",
        _one(lambda figures: figures.minutes_backfilled),
    ),
    _family(
        "query_failures_total",
        COUNTER,
        "Queries that Prometheus did not answer, by reason.",
        _by(lambda figures: figures.queries_failed),
        ("reason",),
    ),
    _family(
        "stream_failures_total",
        COUNTER,
        "Times that the stream could not be reached, or acknowledged nothing.",
        _one(lambda figures: figures.stream_failed),
    ),
    _family(
        "refused_values_total",
        COUNTER,
        "Values that cannot be, negative or absurdly large: taken as not measured.",
        _by(lambda figures: figures.values_refused),
        ("signal",),
    ),
    _family(
        "workloads",
        GAUGE,
        "Workloads with a value of a signal, when last looked at.",
        _by(lambda figures: figures.workloads),
        ("signal",),
    ),
    _family(
        "unknown_names",
        GAUGE,
        "Services, routes and names in metrics that lead to no workload (20 at most are counted).",
        _one(lambda figures: len(figures.strangers)),
    ),
    _family(
        "minutes_behind",
        GAUGE,
        "From the newest minute acknowledged to the newest that is over.",
        _one(lambda figures: figures.minutes_behind),
    ),
    _family(
        "missing_minutes",
        GAUGE,
        "Minutes that are over, wanted and not acknowledged, when last looked at.",
        _one(lambda figures: figures.minutes_missing),
    ),
    _family(
        "incomplete_minutes",
        GAUGE,
        "Minutes of the last day that a signal lacks which Prometheus failed to give; asked again.",
        _one(lambda figures: figures.minutes_lacking),
    ),
    _family(
        "last_success_timestamp_seconds",
        GAUGE,
        "Unix time of the last acknowledgement.",
        _one(lambda figures: figures.last_success_seconds),
    ),
)
