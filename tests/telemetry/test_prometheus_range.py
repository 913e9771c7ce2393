"""Long ranges in pages: nothing is lost, nothing comes twice, and none is too large."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_history import History

import telemetry.prometheus as door
from telemetry.prometheus import Prometheus, PrometheusError, PrometheusSettings
from telemetry.prometheus_range import POINTS_MAX, Span, read_range
from telemetry.sample import RangeSeries


@pytest.fixture
def prometheus(traffic_history: History) -> Iterator[Prometheus]:
    """Give a connection to the Prometheus with a past."""
    connected = Prometheus(PrometheusSettings(url=traffic_history.url))
    yield connected
    connected.close()


class Counting:
    """Asks a Prometheus, and keeps what it was asked."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self.pages: list[tuple[int, int]] = []

    def query_range(
        self, query: str, *, first_seconds: int, last_seconds: int, step_seconds: int
    ) -> tuple[RangeSeries, ...]:
        """Pass it on."""
        self.pages.append((first_seconds, last_seconds))
        return self._prometheus.query_range(
            query,
            first_seconds=first_seconds,
            last_seconds=last_seconds,
            step_seconds=step_seconds,
        )


def spread(found: tuple[RangeSeries, ...]) -> dict[tuple[str, ...], list[tuple[int, float]]]:
    """Return the points of each series."""
    return {
        (one.name, *map(str, sorted(one.labels.items()))): list(
            zip(one.at_seconds.tolist(), one.values.tolist(), strict=True)
        )
        for one in found
    }


def span_of(history: History, step_seconds: int = 60) -> Span:
    """Return all minutes of the history."""
    return Span.aligned(history.minute_first * 60, history.minute_last * 60, step_seconds)


@pytest.mark.prometheus
@pytest.mark.parametrize("points", [1_000, 50, 7])
def test_pages_are_what_one_query_gives(
    prometheus: Prometheus, traffic_history: History, points: int
) -> None:
    """Of many series, some of which begin or end within."""
    span = span_of(traffic_history)
    query = '{__name__=~"wave|odd|kube_pod_owner"}'
    whole = prometheus.query_range(
        query,
        first_seconds=span.first_seconds,
        last_seconds=span.last_seconds,
        step_seconds=span.step_seconds,
    )
    asked = Counting(prometheus)

    assert spread(read_range(asked, query, span, points_max=points)) == spread(whole)
    assert len(asked.pages) == -(-span.points // points)
    assert len(whole) > 5


@pytest.mark.prometheus
def test_more_points_than_prometheus_gives_are_asked_for_in_pages(
    prometheus: Prometheus, traffic_history: History
) -> None:
    """It refuses what is longer than 11,000 steps, and means it."""
    last = traffic_history.minute_last * 60
    span = Span.aligned(last - POINTS_MAX - 1, last, 1)
    with pytest.raises(PrometheusError, match=r"exceeded maximum resolution of 11,000 points"):
        prometheus.query_range(
            "wave", first_seconds=span.first_seconds, last_seconds=last, step_seconds=1
        )

    (found,) = read_range(prometheus, "vector(time())", span)

    assert span.points == POINTS_MAX + 2
    np.testing.assert_array_equal(found.at_seconds, np.arange(span.first_seconds, last + 1))
    np.testing.assert_array_equal(found.values, found.at_seconds)


@pytest.mark.prometheus
def test_an_answer_that_is_too_large_is_asked_for_in_halves(
    prometheus: Prometheus, traffic_history: History, monkeypatch
) -> None:
    """Many series, little memory: split by time until it fits."""
    span = span_of(traffic_history)
    query = "kube_pod_owner"
    whole = spread(read_range(prometheus, query, span))
    monkeypatch.setattr(door, "ANSWER_BYTES_MAX", 10_000)
    asked = Counting(prometheus)

    assert spread(read_range(asked, query, span)) == whole
    assert 4 < len(asked.pages) < span.points

    monkeypatch.setattr(door, "ANSWER_BYTES_MAX", 100)
    with pytest.raises(PrometheusError, match="larger than"):
        read_range(prometheus, query, Span.aligned(span.last_seconds, span.last_seconds, 60))


class Slow:
    """Takes too long for more points than it can; it knows the minute of each."""

    def __init__(self, points: int) -> None:
        self._points = points
        self.asked = 0

    def query_range(
        self, query: str, *, first_seconds: int, last_seconds: int, step_seconds: int
    ) -> tuple[RangeSeries, ...]:
        """Answer, or give up."""
        self.asked += 1
        at = np.arange(first_seconds, last_seconds + 1, step_seconds)
        if len(at) > self._points:
            raise PrometheusError("no answer", where="", mend="", kind="timed-out")
        return (RangeSeries(name="", labels={}, at_seconds=at, values=at / 60),)


def test_a_long_range_that_takes_too_long_is_asked_for_in_shorter_ones() -> None:
    """As long as that can help: who is late with an hour is late for another reason."""
    span = Span.aligned(0, 359 * 60, 60)
    slow, stuck = Slow(100), Slow(10)

    (found,) = read_range(slow, "up", span)
    with pytest.raises(PrometheusError, match="no answer"):
        read_range(stuck, "up", span)

    np.testing.assert_array_equal(found.values, np.arange(360))
    assert slow.asked == 1 + 1 + 4
    assert stuck.asked == 4


@pytest.mark.prometheus
def test_no_number_is_absent(prometheus: Prometheus, traffic_history: History) -> None:
    """NaN and Inf are left out, and a series of nothing else has no points."""
    span = span_of(traffic_history)
    found = {one.labels["app"]: one for one in read_range(prometheus, "odd", span)}

    assert len(found["nan"].values) == len(found["infinite"].values) == 0
    assert len(found["negative"].values) == span.points
    assert len(found["stopped"].values) < span.points


@given(
    start=st.floats(0, 10_000),
    width=st.floats(-100, 10_000),
    step=st.integers(1, 700),
    points=st.integers(1, 50),
)
def test_pages_have_each_point_of_a_span_once(
    start: float, width: float, step: int, points: int
) -> None:
    """All are multiples of the step, within what was asked for, and none is left out."""
    span = Span.aligned(start, start + width, step)
    found = [
        at
        for page in span.pages(points)
        for at in range(page.first_seconds, page.last_seconds + 1, step)
    ]

    assert found == [at for at in range(0, 21_000, step) if start <= at <= start + width]
    assert span.points == len(found)


def test_a_step_of_nothing_is_refused() -> None:
    """It would never end."""
    with pytest.raises(ValueError, match="cannot be"):
        Span.aligned(0, 60, 0)
