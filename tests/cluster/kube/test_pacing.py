"""The waits between attempts and between requests."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cluster.kube.pacing import Backoff, TokenBucket

BACKOFF = Backoff(initial_seconds=0.5, max_seconds=30.0)


@given(failures=st.integers(1, 10_000), seed=st.integers())
def test_a_wait_is_at_least_half_and_at_most_all_of_its_doubling_ceiling(
    failures: int, seed: int
) -> None:
    """Jitter never makes a wait vanish nor exceed the maximum, however many failures there were."""
    wait = BACKOFF.wait_seconds(failures, Random(seed))

    ceiling = min(30.0, 0.5 * 2 ** min(failures - 1, 60))
    assert 0.5 * ceiling <= wait <= ceiling


def test_two_clients_do_not_wait_alike() -> None:
    """The random half differs between clients, so they do not come back together."""
    assert BACKOFF.wait_seconds(5, Random(1)) != BACKOFF.wait_seconds(5, Random(2))


def test_the_servers_retry_after_is_a_lower_bound() -> None:
    """A server that asks for seven seconds gets at least seven."""
    assert BACKOFF.wait_seconds(1, Random(1), at_least_seconds=7.0) == 7.0


@given(
    per_second=st.floats(0.1, 1000),
    burst=st.integers(1, 100),
    gaps=st.lists(st.floats(0, 10), min_size=1, max_size=200),
)
def test_no_window_sends_more_than_the_burst_plus_its_share(
    per_second: float, burst: int, gaps: list[float]
) -> None:
    """Between any two sent requests at most burst + rate x time were sent: the bucket's law."""
    bucket = TokenBucket.full(per_second=per_second, burst=burst, now_seconds=0.0)
    now, sent = 0.0, []
    for gap in gaps:
        now += gap
        sent.append(now + bucket.take_wait_seconds(now))

    for first in range(len(sent)):
        for last in range(first, len(sent)):
            allowed = burst + per_second * (sent[last] - sent[first])
            assert last - first + 1 <= allowed + 1e-6


def test_a_clock_that_jumps_back_grants_nothing() -> None:
    """Only time that passes refills the bucket."""
    bucket = TokenBucket.full(per_second=1.0, burst=1, now_seconds=100.0)
    assert bucket.take_wait_seconds(100.0) == 0.0

    assert bucket.take_wait_seconds(50.0) == 1.0
