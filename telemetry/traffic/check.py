"""Which signals a live Prometheus has, for how many workloads, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeAlias

from telemetry.prometheus import GONE, Prometheus, PrometheusError
from telemetry.traffic.assembly import MINUTE_SECONDS
from telemetry.traffic.presets import PRESETS
from telemetry.traffic.query import Signal, TrafficQuery
from telemetry.traffic.reader import NAMED_BY_OTHERS, TrafficOptions, TrafficReader

#: How many of the names that lead nowhere are shown.
_SHOWN: Final = 3
_HONOURED: Final = 'exported_namespace=""'
_GUESSED: Final = "kube-state-metrics is scraped without honor_labels: names are guessed"
HONOR_LABELS: Final = "have Prometheus scrape kube-state-metrics with honor_labels: true"
#: The simplest query takes no longer, or somebody else answers there.
ANSWERING_SECONDS: Final = 5.0


#: Whether there is a metric at the time that is looked at, with these matchers if it is of state.
_Presence: TypeAlias = Callable[[str, str], bool]


class SignalState(StrEnum):
    """What became of one query."""

    FOUND = "found"
    ABSENT = "absent"
    """Prometheus has no such metric."""
    TOO_FEW = "too-few-scrapes"
    """It has the metric, but too little of it for a value."""
    UNNAMED = "unnamed"
    """It has values, whose names lead to no workload."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFinding:
    """What one query finds.

    Attributes:
        source: the preset, or the custom query.
        signal: what it measures.
        state: what became of it.
        workloads: how many have a value now.
        lacking: what is not there: metrics, names, or the error.
        mend: how to get it; empty where all is well.
    """

    source: str
    signal: Signal
    state: SignalState
    workloads: int
    lacking: str = ""
    mend: str = ""

    def as_json(self) -> dict[str, object]:
        """Give the finding as JSON-ready values."""
        return {
            "source": self.source,
            "signal": str(self.signal),
            "state": str(self.state),
            "workloads": self.workloads,
            "lacking": self.lacking,
            "mend": self.mend,
        }


def checked(
    prometheus: Prometheus,
    options: TrafficOptions,
    minute: int,
    *,
    on_query: Callable[[TrafficQuery], object] = lambda _query: None,
) -> tuple[SignalFinding, ...]:
    """Run each query for one complete minute, as the bridge does, and look for what is missing.

    After one that takes too long none is asked: the others are said not to have been.

    Args:
        prometheus: it.
        options: what is asked for.
        minute: of which minute.
        on_query: told of each query before it is asked.

    Raises:
        PrometheusError: nobody answers at all, or not even the simplest query within 5 s.
    """
    _require_answering(prometheus)
    findings: list[SignalFinding] = []
    late: TrafficQuery | None = None
    for query in options.queries:
        if late is not None:
            findings.append(_not_asked(query, late))
            continue
        on_query(query)
        try:
            findings.append(_checked(prometheus, options, query, minute))
        except PrometheusError as error:
            if error.kind in GONE:
                raise
            is_ours = query.source in PRESETS or error.kind != "refused"
            mend = error.mend if is_ours else f"correct {query.source} in --queries-file"
            what = error.what.removeprefix(f"{query.source} {query.signal}: ")
            findings.append(_finding(query, SignalState.FAILED, lacking=what, mend=mend))
            late = query if error.kind == "timed-out" else None
    return tuple(findings)


def _require_answering(prometheus: Prometheus) -> None:
    seconds = min(ANSWERING_SECONDS, prometheus.settings.timeout_seconds)
    asked = Prometheus(prometheus.settings.model_copy(update={"timeout_seconds": seconds}))
    try:
        asked.query("vector(0)")
    finally:
        asked.close()


def _not_asked(query: TrafficQuery, late: TrafficQuery) -> SignalFinding:
    return _finding(
        query,
        SignalState.FAILED,
        lacking=f"not asked, since {late.source} {late.signal} took too long",
        mend="see whether Prometheus is overloaded, or narrow the queries with --matchers",
    )


def _checked(
    prometheus: Prometheus, options: TrafficOptions, query: TrafficQuery, minute: int
) -> SignalFinding:
    reader = TrafficReader(prometheus, replace(options, queries=(query,)))
    reading = reader.read(minute, minute)
    found = reading.assembly.workloads.get(query.signal, 0)

    def there(metric: str, honoured: str) -> bool:
        of_state = honoured if metric.startswith("kube_") else ""
        matchers = ",".join(part for part in (of_state, options.scope.matchers) if part)
        asked = f"count({metric}{{{matchers}}})"
        return bool(prometheus.query(asked, at_seconds=minute * MINUTE_SECONDS))

    strangers = reading.assembly.strangers
    if found or strangers:
        state = SignalState.FOUND if found else SignalState.UNNAMED
        if _misread(there, query):
            return _finding(query, state, found, lacking=_GUESSED, mend=HONOR_LABELS)
        return _finding(query, state, found, **_unnamed(strangers))
    absent = _absent(there, query)
    if absent:
        return _finding(
            query, SignalState.ABSENT, lacking=", ".join(absent), mend=next(iter(absent.values()))
        )
    return _finding(
        query,
        SignalState.TOO_FEW,
        lacking="values, though its metrics are there",
        mend="see that two scrapes lie in --rate-window-seconds and one in --stale-seconds; a"
        " response time also needs requests",
    )


def _finding(
    query: TrafficQuery, state: SignalState, workloads: int = 0, lacking: str = "", mend: str = ""
) -> SignalFinding:
    return SignalFinding(
        source=query.source,
        signal=query.signal,
        state=state,
        workloads=workloads,
        lacking=lacking,
        mend=mend,
    )


def _unnamed(strangers: tuple[str, ...]) -> dict[str, str]:
    if not strangers:
        return {}
    shown = ", ".join(name.partition(": ")[2] for name in strangers[:_SHOWN])
    more = "" if len(strangers) <= _SHOWN else f" and {len(strangers) - _SHOWN} more"
    return {
        "lacking": f"no workload is known behind {shown}{more}",
        "mend": "name them under `services:` in --queries-file",
    }


def _absent(there: _Presence, query: TrafficQuery) -> Mapping[str, str]:
    """The metrics of a query that Prometheus does not have, and how to get them."""
    preset = PRESETS.get(query.source)
    if preset is None:
        return {"any series": "try the query in Prometheus' own page"}
    absent = {}
    for metric, mend in preset.metrics.items():
        if metric not in query.promql or there(metric, _HONOURED):
            continue
        absent[f"{metric} with honor_labels" if there(metric, "") else metric] = mend
    return absent


def _misread(there: _Presence, query: TrafficQuery) -> bool:
    """Whether names are guessed since all of kube-state-metrics is scraped without honor_labels."""
    ready = "kube_deployment_status_replicas_ready"
    return query.naming in NAMED_BY_OTHERS and not there(ready, _HONOURED) and there(ready, "")
