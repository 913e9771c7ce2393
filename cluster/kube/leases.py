"""Who leads: a Lease of coordination.k8s.io/v1, read and claimed as client-go's elector does. Pure.

A candidate measures with its own clock how long it has seen a lease unchanged, and never compares
times that another has written. Writes carry the resource version that was read, so of two that
claim a lease at once the API server refuses one.

A leader stops `renew_seconds` after it sent its last renewal that was stored; a rival waits
`lease_seconds` from when it first saw that renewal, which is later. So there are never two leaders
while no candidate's clock runs faster than another's by more than the ratio of these two (1.5 as
set here), whatever the clocks say. Two things stay outside of it: whoever deletes or edits the
Lease opens the election at once, and a process that is frozen between asking whether it leads and
acting on the answer acts late (act soon, and let acts be harmless when late).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: How much longer than `retry_seconds` a candidate may wait at random: client-go's JitterFactor.
JITTER_RATIO_MAX = 1.2


class ElectionSettings(BaseModel):
    """How soon a leader that is gone is replaced, and how often everybody asks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lease_seconds: Annotated[int, Field(ge=1)] = 15
    """A lease unchanged for so long is free. client-go's default, as are the other two."""

    renew_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0
    """A leader that could not renew for so long stops."""

    retry_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    """Between two attempts, of a leader to renew and of the others to take over."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lease_seconds <= self.renew_seconds:
            raise ValueError("lease_seconds must be longer than renew_seconds, or two would lead")
        if self.renew_seconds <= JITTER_RATIO_MAX * self.retry_seconds:
            raise ValueError(f"renew_seconds must be over {JITTER_RATIO_MAX} x retry_seconds")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a Lease's spec says. Times are their writers', kept as text and compared for equality.

    Attributes:
        holder: who leads; empty once released.
        duration_seconds: how long others shall wait after the last change.
        acquired_at, renewed_at: RFC 3339 with microseconds.
        transitions: how often the holder has changed.
    """

    holder: str = ""
    duration_seconds: int = 0
    acquired_at: str = ""
    renewed_at: str = ""
    transitions: int = 0

    @classmethod
    def from_spec(cls, spec: object) -> Lease:
        """Read `spec`; what is missing or odd is as if it were not there."""
        fields: dict[str, Any] = spec if isinstance(spec, dict) else {}
        return cls(
            holder=str(fields.get("holderIdentity") or ""),
            duration_seconds=_whole(fields.get("leaseDurationSeconds")),
            acquired_at=str(fields.get("acquireTime") or ""),
            renewed_at=str(fields.get("renewTime") or ""),
            transitions=_whole(fields.get("leaseTransitions")),
        )

    def spec(self) -> dict[str, object]:
        """Return the fields of `spec`."""
        return {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.duration_seconds,
            "acquireTime": self.acquired_at,
            "renewTime": self.renewed_at,
            "leaseTransitions": self.transitions,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one candidate knows. Times are seconds of its own monotonic clock.

    Attributes:
        lease: as last seen; None while there is none.
        observed_at_seconds: when it was first seen as it is.
        renewed_at_seconds: when our last claim that was stored had been sent; None while another
            leads or nobody does.
    """

    lease: Lease | None = None
    observed_at_seconds: float = -math.inf
    renewed_at_seconds: float | None = None

    def seeing(self, lease: Lease | None, now_seconds: float) -> Standing:
        """Return the standing after a look at the lease."""
        if lease == self.lease:
            return self
        return replace(self, lease=lease, observed_at_seconds=now_seconds)

    def having_claimed(self, lease: Lease, sent_at_seconds: float) -> Standing:
        """Return the standing after our claim was stored."""
        return Standing(
            lease=lease, observed_at_seconds=sent_at_seconds, renewed_at_seconds=sent_at_seconds
        )

    def retired(self) -> Standing:
        """Return the standing of whoever leads no more."""
        return replace(self, renewed_at_seconds=None)

    def leading_seconds(self, now_seconds: float, settings: ElectionSettings) -> float:
        """Return for how long we may still act as the leader without another renewal; 0: not."""
        if self.renewed_at_seconds is None:
            return 0.0
        return max(0.0, self.renewed_at_seconds + settings.renew_seconds - now_seconds)


class Move(StrEnum):
    """What a candidate does next."""

    ACQUIRE = "acquire"
    RENEW = "renew"
    WAIT = "wait"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A move, and why."""

    move: Move
    reason: str


def next_step(standing: Standing, me: str, now_seconds: float, settings: ElectionSettings) -> Step:
    """Decide what candidate `me` does with the lease as it last saw it."""
    lease = standing.lease
    if standing.renewed_at_seconds is not None:
        return _leader_s_step(standing, me, now_seconds, settings)
    if lease is None:
        return Step(move=Move.ACQUIRE, reason="there is no lease yet")
    if not lease.holder:
        return Step(move=Move.ACQUIRE, reason="the lease is released")
    # Also where the holder has our own name: the answer to a claim of ours was lost, or somebody
    # else uses the name. To wait is right in both cases.
    unchanged_seconds = now_seconds - standing.observed_at_seconds
    if unchanged_seconds < (lease.duration_seconds or settings.lease_seconds):
        return Step(move=Move.WAIT, reason=f"{lease.holder} holds the lease")
    reason = f"{lease.holder} has not renewed the lease for {unchanged_seconds:.0f} s"
    return Step(move=Move.ACQUIRE, reason=reason)


def _leader_s_step(
    standing: Standing, me: str, now_seconds: float, settings: ElectionSettings
) -> Step:
    holder = standing.lease.holder if standing.lease else me
    if holder != me:
        return Step(move=Move.LOST, reason=f"{holder or 'nobody'} holds the lease now")
    if standing.leading_seconds(now_seconds, settings) <= 0.0:
        reason = f"the lease could not be renewed for {settings.renew_seconds:g} s"
        return Step(move=Move.LOST, reason=reason)
    return Step(move=Move.RENEW, reason="we hold the lease")


def claimed(lease: Lease | None, me: str, settings: ElectionSettings, written_at: str) -> Lease:
    """Return the lease to store when `me` acquires or renews; `written_at` is RFC 3339."""
    keeps = lease is not None and lease.holder == me
    return Lease(
        holder=me,
        duration_seconds=settings.lease_seconds,
        acquired_at=lease.acquired_at if lease is not None and keeps else written_at,
        renewed_at=written_at,
        transitions=lease.transitions + (not keeps) if lease is not None else 0,
    )


def released(lease: Lease, written_at: str) -> Lease:
    """Return the lease to store when its holder goes, so that nobody has to wait."""
    return Lease(
        duration_seconds=1,  # the API wants at least one
        acquired_at=written_at,
        renewed_at=written_at,
        transitions=lease.transitions,
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
