"""What the bridge tells of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from telemetry.bridge.minutes import RECENT_MINUTES


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeFigures:
    """Counts since the start, and how things are.

    Attributes:
        samples: produced and acknowledged.
        samples_late: of those, sent again because Prometheus had something else by then.
        minutes: acknowledged.
        minutes_backfilled: of those, older than the newest piece.
        queries_failed: by reason: unreachable, timed-out, refused, failing, denied,
            not-prometheus, too-large.
        stream_failed: how often the stream took or acknowledged nothing.
        values_refused: by signal: negative or absurd.
        workloads: by signal: those with a value in the newest piece.
        strangers: names that lead to no workload, the first few.
        minutes_behind: from the newest minute acknowledged to the newest complete; None before.
        minutes_missing: complete and not acknowledged.
        minutes_lacking: acknowledged without a signal that is asked for again.
        last_success_seconds: Unix time of the last acknowledgement; None before.
        troubles: why it does not go on; empty while all is well.
        doubts: what goes on without, one line each.
    """

    samples: int = 0
    samples_late: int = 0
    minutes: int = 0
    minutes_backfilled: int = 0
    queries_failed: Mapping[str, int] = field(default_factory=dict)
    stream_failed: int = 0
    values_refused: Mapping[str, int] = field(default_factory=dict)
    workloads: Mapping[str, int] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()
    minutes_behind: int | None = None
    minutes_missing: int | None = None
    minutes_lacking: int = 0
    last_success_seconds: float | None = None
    troubles: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def is_fetching(self) -> bool:
        """Whether the newest hours are being read: they come before the rest of the past.

        Also while nothing can be read yet: what comes then is the past, and not the present alone.
        """
        is_left = self.minutes < RECENT_MINUTES and self.minutes_missing != 0
        return is_left and (self.minutes == 0 or not self.troubles)
