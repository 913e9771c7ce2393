"""Minutes of traffic that a test has written down, and the time as it has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from telemetry.messages import TrafficSample
from telemetry.traffic.assembly import Assembly
from telemetry.traffic.reader import TrafficReading

DELAY_SECONDS: Final = 15


class Clock:
    """Time as a test has it."""

    def __init__(self, minute: int, seconds: float = DELAY_SECONDS) -> None:
        self.now = minute * 60 + seconds

    def __call__(self) -> float:
        """Tell it."""
        return self.now


class Tape:
    """Readings that a test has written down, minute by minute."""

    def __init__(self) -> None:
        self.rates: dict[int, dict[str, float | None]] = {}
        self.asked: list[tuple[int, int]] = []
        self.fault: Callable[[int], Exception | None] = lambda _minute: None
        self.clock: Callable[[], float] = lambda: float("inf")

    def now_seconds(self) -> float:
        """Be of the test's opinion, unless it gives a clock."""
        return self.clock()

    def read(self, minute_first: int, minute_last: int) -> TrafficReading:
        """Play what there is."""
        self.asked.append((minute_first, minute_last))
        if fault := self.fault(minute_first):
            raise fault
        samples = tuple(
            TrafficSample(
                key=f"a/Deployment/{name}",
                timestamp_milliseconds=minute * 60_000,
                requests_per_second=rate,
                cpu_cores=1.0 if rate is None else None,
            )
            for minute in range(minute_first, minute_last + 1)
            for name, rate in self.rates.get(minute, {}).items()
        )
        assembly = Assembly(samples=samples, workloads={}, refused={}, strangers=())
        return TrafficReading(assembly=assembly, failures=(), failed={})
