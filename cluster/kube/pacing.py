"""When to send the next request: a token bucket, and exponential backoff with jitter. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that double from `initial_seconds` to `max_seconds`."""

    initial_seconds: float
    max_seconds: float

    def wait_seconds(self, failures: int, rng: Random, *, at_least_seconds: float = 0.0) -> float:
        """Return the wait after so many failures in a row (1 or more).

        Half of it is random ("equal jitter"), so that a thousand clients of one restarted server
        do not come back in step. The server's own Retry-After is a lower bound.
        """
        # The exponent is capped because 2.0**1024 overflows; 2**64 is beyond every maximum.
        ceiling = min(self.max_seconds, self.initial_seconds * 2.0 ** min(failures - 1, 64))
        return max(at_least_seconds, ceiling * (0.5 + 0.5 * rng.random()))


@dataclass(slots=True)
class TokenBucket:
    """An allowance of `per_second` requests with bursts of `burst`, like client-go's flow control.

    Not locked: the caller holds a lock around `take_wait_seconds`.
    """

    per_second: float
    burst: int
    tokens: float
    updated_seconds: float

    @classmethod
    def full(cls, *, per_second: float, burst: int, now_seconds: float) -> TokenBucket:
        """Return a bucket that allows a burst at once."""
        return cls(
            per_second=per_second, burst=burst, tokens=float(burst), updated_seconds=now_seconds
        )

    def take_wait_seconds(self, now_seconds: float) -> float:
        """Take one token, on credit if need be; return how long to wait before using it."""
        elapsed = max(0.0, now_seconds - self.updated_seconds)
        self.tokens = min(float(self.burst), self.tokens + elapsed * self.per_second) - 1.0
        self.updated_seconds = max(self.updated_seconds, now_seconds)
        return max(0.0, -self.tokens / self.per_second)
