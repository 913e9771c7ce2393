"""Who leads: each rule for itself, and never two at once whatever clocks and the network do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cluster.kube.leases import (
    ElectionSettings,
    Lease,
    Move,
    Standing,
    claimed,
    next_step,
    released,
)

USUAL = ElectionSettings()
ME, OTHER = "me", "other"


def held_by(holder: str, **fields: object) -> Lease:
    """Return a lease as one who holds it has written it."""
    return replace(claimed(None, holder, USUAL, "2026-01-01T00:00:00.000000Z"), **fields)


def seen(lease: Lease | None, at_seconds: float = 100.0) -> Standing:
    """Return what a candidate knows who saw a lease first at a time."""
    return Standing().seeing(lease, at_seconds)


def led(at_seconds: float = 100.0) -> Standing:
    """Return what a leader knows whose last renewal was sent at a time."""
    return Standing().having_claimed(held_by(ME), at_seconds)


@pytest.mark.parametrize(
    ("standing", "now_seconds", "move", "reason"),
    [
        (seen(None), 100.0, Move.ACQUIRE, "there is no lease yet"),
        (seen(held_by("")), 100.0, Move.ACQUIRE, "the lease is released"),
        (seen(held_by(OTHER)), 114.9, Move.WAIT, "other holds the lease"),
        (seen(held_by(OTHER)), 115.0, Move.ACQUIRE, "other has not renewed the lease for 15 s"),
        (seen(held_by(OTHER, duration_seconds=60)), 159.0, Move.WAIT, "other holds the lease"),
        (seen(held_by(OTHER, duration_seconds=0)), 114.9, Move.WAIT, "other holds the lease"),
        # Our name, but we do not know that we lead: another process may have it too.
        (seen(held_by(ME)), 114.9, Move.WAIT, "me holds the lease"),
        (led(), 109.9, Move.RENEW, "we hold the lease"),
        (led(), 110.0, Move.LOST, "the lease could not be renewed for 10 s"),
        (led().seeing(held_by(OTHER), 101.0), 101.0, Move.LOST, "other holds the lease now"),
        (led().seeing(held_by(""), 101.0), 101.0, Move.LOST, "nobody holds the lease now"),
        (led().seeing(None, 101.0), 101.0, Move.RENEW, "we hold the lease"),
        (led().retired(), 114.9, Move.WAIT, "me holds the lease"),
    ],
)
def test_each_rule(standing: Standing, now_seconds: float, move: Move, reason: str) -> None:
    """As client-go's elector decides, but for a holder of our own name."""
    step = next_step(standing, ME, now_seconds, USUAL)
    assert (step.move, step.reason) == (move, reason)


def test_a_lease_that_is_renewed_is_waited_for_anew() -> None:
    """What counts is when we saw a change, and not the time that its writer wrote."""
    first = held_by(OTHER, renewed_at="2036-01-01T00:00:00.000000Z")
    standing = seen(first, 100.0).seeing(first, 108.0)
    assert standing.observed_at_seconds == 100.0

    later = standing.seeing(replace(first, renewed_at="1990-01-01T00:00:00.000000Z"), 114.0)
    assert next_step(later, ME, 128.9, USUAL).move is Move.WAIT
    assert next_step(later, ME, 129.0, USUAL).move is Move.ACQUIRE


def test_a_look_that_shows_our_own_write_does_not_prolong_our_lead() -> None:
    """The answer to a renewal was lost: rivals count from the renewal, and so do we."""
    mine = replace(held_by(ME), renewed_at="2026-01-01T00:00:08.000000Z")
    standing = led(100.0).seeing(mine, 109.0)

    assert standing.leading_seconds(109.0, USUAL) == 1.0


def test_transitions_count_changes_of_the_holder() -> None:
    """Renewals keep the time of acquisition; a release is a change, as is a new holder."""
    first = claimed(None, ME, USUAL, "t1")
    renewed = claimed(first, ME, USUAL, "t2")
    free = released(renewed, "t3")
    taken = claimed(free, OTHER, USUAL, "t4")

    assert first == Lease(
        holder=ME, duration_seconds=15, acquired_at="t1", renewed_at="t1", transitions=0
    )
    assert renewed == replace(first, renewed_at="t2")
    assert (free.holder, free.duration_seconds, free.transitions) == ("", 1, 0)
    assert (taken.acquired_at, taken.transitions) == ("t4", 1)


@pytest.mark.parametrize("spec", [None, [], {}, {"holderIdentity": None, "leaseTransitions": "x"}])
def test_an_empty_or_odd_spec_is_a_lease_that_nobody_holds(spec: object) -> None:
    """`kubectl create` can make one; a missing duration is then ours."""
    assert Lease.from_spec(spec) == Lease()


def test_a_spec_is_read_as_it_is_written() -> None:
    """Or every look would be a change."""
    lease = held_by(ME, transitions=3)
    assert Lease.from_spec(lease.spec()) == lease


@pytest.mark.parametrize(
    "given_", [{"renew_seconds": 15.0}, {"lease_seconds": 2}, {"retry_seconds": 8.5}]
)
def test_times_that_would_let_two_lead_are_refused(given_: dict[str, float]) -> None:
    """A leader must stop before a rival may begin, and needs time for a second attempt."""
    with pytest.raises(ValidationError, match="must be"):
        ElectionSettings(**given_)


# --- never two leaders ---------------------------------------------------------------------------


@dataclass
class Store:
    """An API server's one lease, with its resource version."""

    lease: Lease | None = None
    version: int = 0

    def write(self, lease: Lease, version: int) -> bool:
        """Store what was written over `version`, or refuse it."""
        if version != self.version:
            return False
        self.lease, self.version = lease, version + 1
        return True


@dataclass
class Candidate:
    """A candidate whose clock is ahead by `skew_seconds` and runs at `rate`.

    Each call of `go_on` is one moment of its life: it looks, learns what it saw, sends a claim, has
    it stored (or not), and learns the answer (or not). Any time may pass between two of them.
    """

    name: str
    skew_seconds: float
    rate: float
    standing: Standing = field(default_factory=Standing)
    phase: str = "look"
    looked: tuple[Lease | None, int] = (None, 0)
    sent: tuple[Lease, float] = (Lease(), 0.0)
    stored: bool = False
    written: int = field(default=0)

    def clock(self, now_seconds: float) -> float:
        """Return what its own clock shows."""
        return self.skew_seconds + self.rate * now_seconds

    def leads(self, now_seconds: float) -> bool:
        """Return whether it would act."""
        return self.standing.leading_seconds(self.clock(now_seconds), USUAL) > 0.0

    def go_on(self, store: Store, now_seconds: float, *, lost: bool) -> None:
        """Come to the next moment; `lost` loses the request or answer that is under way."""
        clock_seconds = self.clock(now_seconds)
        if self.phase == "look":
            self.looked, self.phase = (store.lease, store.version), "learn"
        elif self.phase == "learn" and not lost:
            self.standing = self.standing.seeing(self.looked[0], clock_seconds)
            step = next_step(self.standing, self.name, clock_seconds, USUAL)
            self.phase = "look"
            if step.move is Move.LOST:
                self.standing = self.standing.retired()
            elif step.move is not Move.WAIT:
                # Unlike times of the real world these say nothing, and differ.
                self.written += 1
                lease = claimed(self.standing.lease, self.name, USUAL, f"{self.written}")
                self.sent, self.phase = (lease, clock_seconds), "store"
        elif self.phase == "store":
            self.stored = not lost and store.write(self.sent[0], self.looked[1])
            self.phase = "answer"
        else:
            if self.phase == "answer" and self.stored and not lost:
                self.standing = self.standing.having_claimed(*self.sent)
            self.phase = "look"


candidates = st.builds(
    Candidate,
    name=st.just(""),
    skew_seconds=st.floats(-1e6, 1e6),
    rate=st.floats(0.9, 1.1),  # any two differ by less than 15 / 10
)
RUN_SECONDS = 300.0


def lived(
    drawn: list[Candidate], rng: Random, *, pause_ratio: float, loss_ratio: float
) -> Iterator[float]:
    """Let candidates live side by side, each with pauses and losses of its own; yield each time."""
    store, turns = Store(), [(rng.uniform(0.0, 2.0), number) for number in range(len(drawn))]
    while (turn := heappop(turns))[0] < RUN_SECONDS:
        now_seconds, number = turn
        candidate = drawn[number]
        candidate.go_on(store, now_seconds, lost=rng.random() < loss_ratio)
        yield now_seconds
        pause_seconds = 2.0 if candidate.phase == "look" else rng.uniform(0.0, 0.1)
        if rng.random() < pause_ratio:  # of the process, or the request takes long
            pause_seconds += rng.uniform(0.0, 20.0)
        heappush(turns, (now_seconds + pause_seconds, number))


@given(
    st.lists(candidates, min_size=2, max_size=3),
    st.integers(0, 2**32),
    st.sampled_from([0.01, 0.1, 0.5]),
    st.sampled_from([0.0, 0.1, 0.5]),
)
def test_there_are_never_two_leaders(
    drawn: list[Candidate], seed: int, pause_ratio: float, loss_ratio: float
) -> None:
    """Clocks differ and drift, requests and answers take long or are lost, anybody is paused."""
    for number, candidate in enumerate(drawn):
        candidate.name = f"candidate-{number}"
    rng = Random(seed)
    for now_seconds in lived(drawn, rng, pause_ratio=pause_ratio, loss_ratio=loss_ratio):
        assert sum(candidate.leads(now_seconds) for candidate in drawn) <= 1


@given(st.floats(-1e6, 1e6), st.floats(0.9, 1.1))
def test_somebody_leads_once_the_leader_is_gone(skew_seconds: float, rate: float) -> None:
    """Within one lease and one retry of its own clock, or safety would be cheap."""
    store = Store(lease=held_by(OTHER), version=1)
    candidate = Candidate(name=ME, skew_seconds=skew_seconds, rate=rate)
    for second in range(0, 40, 2):
        for _ in range(4):
            candidate.go_on(store, float(second), lost=False)
    assert store.lease is not None
    assert store.lease.holder == ME
