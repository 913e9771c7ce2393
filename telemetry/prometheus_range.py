"""Long ranges in pages that Prometheus answers, put together as if they had been one.

Prometheus gives at most 11,000 points for each series of one answer, reads at most 50 million
samples for it (`--query.max-samples`), and we take 64 MiB. So a span is asked for in pages of whole
steps; a page that is too large for either side is halved until it is not, and one that takes too
long is halved as long as that can help.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from telemetry.prometheus import PrometheusError
from telemetry.sample import RangeSeries

#: `maxPoints` in Prometheus' web/api/v1/api.go.
POINTS_MAX: Final = 11_000
#: A page of fewer points that takes too long does so for another reason than its length.
POINTS_IN_TIME_MIN: Final = 60


class RangeSource(Protocol):
    """What answers one page, as `telemetry.prometheus.Prometheus` does."""

    def query_range(
        self, query: str, *, first_seconds: int, last_seconds: int, step_seconds: int
    ) -> tuple[RangeSeries, ...]:
        """Return the values from the first time to the last one, both included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Times at which a query is evaluated: from the first to the last, both included.

    All are multiples of the step, so that whoever asks for overlapping spans gets the same points.
    """

    first_seconds: int
    last_seconds: int
    step_seconds: int

    @classmethod
    def aligned(cls, start_seconds: float, end_seconds: float, step_seconds: int) -> Span:
        """The multiples of the step between two times, which may be none.

        Raises:
            ValueError: the step is not a second or more.
        """
        if step_seconds < 1:
            raise ValueError(f"a step of {step_seconds} s cannot be")
        first = -int(-start_seconds // step_seconds) * step_seconds
        last = int(end_seconds // step_seconds) * step_seconds
        return cls(first_seconds=first, last_seconds=last, step_seconds=step_seconds)

    @property
    def points(self) -> int:
        """How many times that is; 0 where the last one is before the first."""
        return max(0, (self.last_seconds - self.first_seconds) // self.step_seconds + 1)

    def pages(self, points: int) -> Iterator[Span]:
        """The same times in spans of so many, the earliest first; none is asked for twice."""
        width = points * self.step_seconds
        for first in range(self.first_seconds, self.last_seconds + 1, width):
            last = min(first + width - self.step_seconds, self.last_seconds)
            yield Span(first_seconds=first, last_seconds=last, step_seconds=self.step_seconds)


def read_range(
    source: RangeSource, query: str, span: Span, *, points_max: int = POINTS_MAX
) -> tuple[RangeSeries, ...]:
    """Return what a query gives over a span, however long, each series whole.

    Args:
        source: what answers pages.
        query: PromQL that gives a vector.
        span: the times.
        points_max: of each series in one page.

    Raises:
        PrometheusError: see `Prometheus.query_range`; `too-large` only if one point is.
    """
    pages: list[Sequence[RangeSeries]] = []
    waiting = list(span.pages(min(points_max, POINTS_MAX)))[::-1]
    while waiting:
        page = waiting.pop()
        try:
            answer = source.query_range(
                query,
                first_seconds=page.first_seconds,
                last_seconds=page.last_seconds,
                step_seconds=page.step_seconds,
            )
        except PrometheusError as error:
            if not _is_worth_halving(error, page):
                raise
            # What lies ahead is as large: none of it is asked for in vain.
            half = (page.points + 1) // 2
            rest = [page, *waiting[::-1]]
            waiting = [smaller for each in rest for smaller in each.pages(half)][::-1]
        else:
            pages.append(answer)
    return joined(pages)


def _is_worth_halving(error: PrometheusError, page: Span) -> bool:
    if error.kind == "timed-out":
        return page.points > POINTS_IN_TIME_MIN
    return error.kind == "too-large" and page.points > 1


def joined(pages: Sequence[Sequence[RangeSeries]]) -> tuple[RangeSeries, ...]:
    """Put the pieces of each series together; pages come in the order of time."""
    if len(pages) == 1:
        return tuple(pages[0])
    pieces: dict[tuple[str, tuple[tuple[str, str], ...]], list[RangeSeries]] = {}
    for page in pages:
        for series in page:
            pieces.setdefault((series.name, _identity(series.labels)), []).append(series)
    return tuple(
        RangeSeries(
            name=found[0].name,
            labels=found[0].labels,
            at_seconds=np.concatenate([piece.at_seconds for piece in found]),
            values=np.concatenate([piece.values for piece in found]),
        )
        for found in pieces.values()
    )


def _identity(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))
