"""Reads samples of whole minutes from Prometheus: all queries, and the names that they need."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Thread
from typing import Final

from telemetry.prometheus import GONE, PASSING, Prometheus, PrometheusError
from telemetry.prometheus_range import Span, read_range
from telemetry.sample import RangeSeries, Sample
from telemetry.traffic.assembly import MINUTE_SECONDS, Answer, Assembly, assembled
from telemetry.traffic.cluster_state import READY_REPLICAS, SERVICE_OWNERS, SERVICES
from telemetry.traffic.names import WorkloadNames, names_of
from telemetry.traffic.query import Naming, Signal, TrafficQuery, TrafficScope, rendered

#: What needs more than its own labels to name a workload.
NAMED_BY_OTHERS: Final = frozenset({Naming.PLAIN, Naming.SERVICE, Naming.ROUTE, Naming.JOINED})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficOptions:
    """What is asked for.

    Attributes:
        queries: those of the source that is believed most come first.
        scope: what they share.
        services: `namespace/name` of a Service or route -> its workload, where that is written.
        namespaces: whose workloads count; empty for all.
    """

    queries: tuple[TrafficQuery, ...]
    scope: TrafficScope = field(default_factory=TrafficScope)
    services: Mapping[str, str] = field(default_factory=dict)
    namespaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficReading:
    """What some minutes were like.

    Attributes:
        assembly: the samples, and what was left out.
        failures: queries that failed and could be done without, one line each.
        failed: why, by kind, and how often.
        lacks: whether a signal is missing that may be there when it is asked for again.
    """

    assembly: Assembly
    failures: tuple[str, ...]
    failed: Mapping[str, int]
    lacks: bool = False


class _Failures:
    """What went wrong in one reading and can be done without."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.kinds: Counter[str] = Counter()
        self.last: PrometheusError | None = None
        self.lacks = False

    def add(self, of: str, error: PrometheusError) -> None:
        """Keep one failure; `of` says what was asked."""
        self.lines.append(f"{of}: {error}")
        self.kinds[error.kind] += 1
        self.last = PrometheusError(
            f"{of}: {error.what}", where=error.where, mend=error.mend, kind=error.kind
        )


class TrafficReader:
    """Asks one Prometheus, two queries at a time. For one thread at a time."""

    def __init__(self, prometheus: Prometheus, options: TrafficOptions) -> None:
        """Prepare; nothing is asked yet.

        Args:
            prometheus: it, and its settings, for connections of the second thread.
            options: what is asked for.
        """
        self._prometheus = prometheus
        self._askers = (prometheus, Prometheus(prometheus.settings))
        self._options = options
        self._names = WorkloadNames(given=options.services)
        self._known: set[str] = set()

    def read(self, minute_first: int, minute_last: int) -> TrafficReading:
        """Return the samples of the minutes that end at `minute * 60`, both ends included.

        A query that Prometheus refuses is done without, and named: the others' signals are still
        worth something. So is any other failure, except of a query for requests: those are what
        everything else is for, and what is handed on without them passes for done.

        Raises:
            PrometheusError: nobody answers, a query for requests failed and was not refused, none
                was answered at all, or whose the names are was never answered yet.
        """
        span = Span(
            first_seconds=minute_first * MINUTE_SECONDS,
            last_seconds=minute_last * MINUTE_SECONDS,
            step_seconds=MINUTE_SECONDS,
        )
        failures = _Failures()
        answers = self._answers(span, failures)
        if failures.last is not None and not answers:
            raise failures.last
        if any(each.series and each.query.naming in NAMED_BY_OTHERS for each in answers):
            self._look_up_names(span.last_seconds, failures)
        return TrafficReading(
            assembly=assembled(
                answers,
                self._names,
                minute_first=minute_first,
                minute_last=minute_last,
                namespaces=self._options.namespaces,
            ),
            failures=tuple(failures.lines),
            failed=failures.kinds,
            lacks=failures.lacks,
        )

    def queries_total(self) -> int:
        """How many queries have ended, well or not; from any thread."""
        return sum(asker.queries_total for asker in self._askers)

    def now_seconds(self) -> float:
        """Return Prometheus' own time.

        Raises:
            PrometheusError: it does not answer.
        """
        (found,) = self._prometheus.query("vector(0)")
        return found.evaluated_at_seconds

    def _answers(self, span: Span, failures: _Failures) -> list[Answer]:
        """Ask every query; those that failed and can be done without are in `failures`."""
        found: dict[TrafficQuery, tuple[RangeSeries, ...] | PrometheusError] = {}
        waiting = deque(self._options.queries)

        def ask(asker: Prometheus) -> None:
            while waiting:
                with suppress(IndexError):  # the other thread took the last one
                    query = waiting.popleft()
                    found[query] = self._asked(asker, query, span)
                    if _is_fatal(query, found[query]):
                        waiting.clear()

        _at_once([partial(ask, asker) for asker in self._askers])
        answers = []
        for query in self._options.queries:
            series = found.get(query, ())
            if isinstance(series, PrometheusError):
                if _is_fatal(query, series):
                    raise series
                failures.add(f"{query.source} {query.signal}", series)
                failures.lacks |= series.kind in PASSING
            else:
                answers.append(Answer(query=query, series=series))
        return answers

    def _asked(
        self, asker: Prometheus, query: TrafficQuery, span: Span
    ) -> tuple[RangeSeries, ...] | PrometheusError:
        try:
            return read_range(asker, query.render(self._options.scope), span)
        except PrometheusError as error:
            return error

    def _look_up_names(self, at_seconds: int, failures: _Failures) -> None:
        """Ask whose the names are; what is not answered now is taken as it was before."""
        before = self._names
        found = names_of(
            given=self._options.services,
            ready=self._looked_up("workloads", READY_REPLICAS, at_seconds, failures),
            services=self._looked_up("services", SERVICES, at_seconds, failures),
            owners=self._looked_up("owners", SERVICE_OWNERS, at_seconds, failures),
        )
        self._names = WorkloadNames(
            given=found.given,
            owners=found.owners or before.owners,
            services=found.services or before.services,
            workloads=found.workloads or before.workloads,
        )

    def _looked_up(
        self, of: str, promql: str, at_seconds: int, failures: _Failures
    ) -> tuple[Sample, ...]:
        try:
            found = self._prometheus.query(
                rendered(promql, self._options.scope), at_seconds=at_seconds
            )
        except PrometheusError as error:
            # Unlike an empty answer this does not say that there is no kube-state-metrics, and a
            # guess would be handed on as somebody else's traffic.
            if error.kind in GONE or of not in self._known:
                raise
            failures.add(f"names of {of}", error)
            return ()
        self._known.add(of)
        return found


def _at_once(works: Sequence[Callable[[], None]]) -> None:
    """Do all at once, the first in this thread; raises what one of them raised.

    Not in a pool: the process could not end before a Prometheus that hangs has answered.
    """
    first, *others = works
    raised: list[Exception] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised where it was asked for
            raised.append(error)

    threads = [Thread(target=guarded, args=(work,), daemon=True) for work in others]
    for thread in threads:
        thread.start()
    guarded(first)
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def _is_fatal(query: TrafficQuery, found: object) -> bool:
    """Whether nothing can be made of these minutes without this answer."""
    if not isinstance(found, PrometheusError):
        return False
    return found.kind in GONE or (query.signal is Signal.REQUESTS and found.kind != "refused")
