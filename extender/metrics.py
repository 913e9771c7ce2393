"""The extender's metrics: what requests cost, and its state, in Prometheus' text format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from extender.figures import Figures
from extender.state_metrics import FAMILIES, PREFIX
from telemetry.serving.series import GAUGE, Family, lines

VERBS = ("prioritize", "filter")
# Seconds; kube-scheduler waits for 100 ms.
DURATION_BUCKETS = tuple(
    milliseconds / 1000
    for milliseconds in (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 50, 100)
)
CANDIDATE_BUCKETS = (1, 2, 5, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
# How much text is made between two chances for a pod to be scored: about half a millisecond.
SLICE_LINES = 200


class RequestMetrics:
    """What is counted as it happens; everything else is read from `Figures` when asked for."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series per counter that nobody reads
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            f"{PREFIX}requests",
            "Requests by verb (or path) and status code.",
            ("verb", "code"),
            registry=self.registry,
        )
        self.internal_errors = Counter(
            f"{PREFIX}internal_errors",
            "Requests whose scoring failed; they were answered with equal scores.",
            ("verb",),
            registry=self.registry,
        )
        self.predictions_dropped = Counter(
            f"{PREFIX}predictions_dropped_records",
            "Predictions answered and not recorded: the ledger's queue was full, or too many"
            " servers of predictions waited in it.",
            registry=self.registry,
        )
        self._durations = {verb: self._duration(verb) for verb in VERBS}
        self._candidates = Histogram(
            f"{PREFIX}candidate_nodes",
            "Nodes asked about in one request.",
            ("verb",),
            buckets=CANDIDATE_BUCKETS,
            registry=self.registry,
        )
        # `labels()` takes a lock and builds a key: look each child up once.
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._counts = {verb: self._candidates.labels(verb) for verb in VERBS}
        for verb in VERBS:
            self.internal_errors.labels(verb)
            self._timed(verb, 200)

    def count(self, verb: str, code: int) -> None:
        """Count one answered request."""
        self.requests.labels(verb, str(code)).inc()

    def observe(self, verb: str, code: int, duration_seconds: float) -> None:
        """Count one answered scheduler request, and how long the answer took."""
        requests, durations = self._timed(verb, code)
        requests.inc()
        durations.observe(duration_seconds)

    def observe_candidates(self, verb: str, count: int) -> None:
        """Count the nodes of one scheduler request."""
        self._counts[verb].observe(count)

    def _duration(self, verb: str) -> Histogram:
        return Histogram(
            f"{PREFIX}{verb}_duration_seconds",
            f"Time from the head of a {verb} request to its answer, without the network.",
            ("code",),
            buckets=DURATION_BUCKETS,
            registry=self.registry,
        )

    def _timed(self, verb: str, code: int) -> tuple[Counter, Histogram]:
        key = (verb, code)
        if key not in self._children:
            self._children[key] = (
                self.requests.labels(verb, str(code)),
                self._durations[verb].labels(str(code)),
            )
        return self._children[key]


def build_info() -> Family[Figures]:
    """Which extender this is."""
    release = version("negawatt")
    return Family(
        name=f"{PREFIX}build_info",
        kind=GAUGE,
        text="Always 1; version, mode and rule are in the labels.",
        labels=("version", "mode", "rule"),
        rows=lambda figures: (((release, figures.mode, figures.rule), 1),),
    )


async def exposition(metrics: RequestMetrics, figures: Figures) -> AsyncIterator[bytes]:
    """All series, in pieces; other requests are answered between them."""
    yield generate_latest(metrics.registry)
    piece: list[str] = []
    for family in (build_info(), *FAMILIES):
        for line in lines(family, figures):
            piece.append(line)
            if len(piece) == SLICE_LINES:
                yield "".join(piece).encode()
                piece.clear()
                await asyncio.sleep(0)
    yield "".join(piece).encode()
