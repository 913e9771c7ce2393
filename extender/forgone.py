"""What was forgone, summed by workload: watts of the pods that run, joules of all that were seen.

Signed. Watts of single decisions, each with all others as they were: not what a cluster placed by
the rule throughout would have saved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from extender.figures import Forgone, Workload

WORKLOADS_MAX = 2000
BARE_POD, OTHER, JOB, CRON_JOB = "Pod", "other", "Job", "CronJob"
# The CronJob controller names a Job NAME-MINUTES, by when it is due: minutes of Unix time. Within
# a year of now, so that a day (report-20261122) is taken for none.
_DUE = re.compile(r"(?P<name>.+)-(?P<minutes>[1-9][0-9]{7})", re.ASCII)
_DUE_WITHIN_SECONDS = 366 * 86_400


@dataclass(slots=True)
class _Sum:
    watts: float = 0.0
    watts_since: float = 0.0  # each pod's watts times when it was bound
    joules: float = 0.0
    decisions: int = 0
    running: int = 0

    def add(self, other: _Sum) -> None:
        """Take over what was summed elsewhere."""
        self.watts += other.watts
        self.watts_since += other.watts_since
        self.joules += other.joules
        self.decisions += other.decisions
        self.running += other.running


class ForgoneSums:
    """Adds up decisions; one thread owns it."""

    def __init__(self) -> None:
        self._sums: dict[Workload, _Sum] = {}
        self._others: dict[Workload, _Sum] = {}  # of each namespace, what has no place of its own
        self._idle: dict[Workload, None] = {}  # without running pods, the longest so first
        self._running: dict[str, tuple[Workload, float, float]] = {}

    def began(self, key: str, workload: Workload, watts: float, now_seconds: float) -> None:
        """A pod was bound where it adds ``watts`` beyond the preferred node.

        Pods without a controller are one workload of their namespace, the Jobs of a CronJob are
        that CronJob's. At most `WORKLOADS_MAX` workloads are kept apart: a new one takes the place
        of the one that is without pods the longest, whose sums go to `other` of its namespace;
        where all have pods the new one is summed there.
        """
        self.ended(key, now_seconds)
        workload = self._place(_summed_as(workload, now_seconds))
        total = self._sum_of(workload)
        total.watts += watts
        total.watts_since += watts * now_seconds
        total.decisions += 1
        total.running += 1
        self._idle.pop(workload, None)
        self._running[key] = (workload, watts, now_seconds)

    def ended(self, key: str, now_seconds: float) -> None:
        """The pod runs no more; one that was never begun is no change."""
        found = self._running.pop(key, None)
        if found is None:
            return
        workload, watts, since_seconds = found
        total = self._sum_of(workload)
        total.watts -= watts
        total.watts_since -= watts * since_seconds
        total.joules += watts * max(0.0, now_seconds - since_seconds)
        total.running -= 1
        if total.running:
            return
        # Exactly, now that it is known: differences of large numbers leave a rest.
        total.watts = total.watts_since = 0.0
        if workload in self._sums:
            self._idle[workload] = None

    def totals(self, now_seconds: float) -> Mapping[Workload, Forgone]:
        """Sums as of now."""
        return {
            workload: Forgone(
                watts=total.watts,
                joules=total.joules + total.watts * now_seconds - total.watts_since,
                decisions=total.decisions,
            )
            for sums in (self._sums, self._others)
            for workload, total in sums.items()
        }

    def _place(self, workload: Workload) -> Workload:
        """The workload itself if it has a place or gets one, else `other` of its namespace."""
        if workload in self._sums:
            return workload
        if len(self._sums) >= WORKLOADS_MAX:
            if not self._idle:
                return _other(workload)
            longest = next(iter(self._idle))
            del self._idle[longest]
            self._sum_of(_other(longest)).add(self._sums.pop(longest))
        return workload

    def _sum_of(self, workload: Workload) -> _Sum:
        sums = self._others if workload.kind == OTHER else self._sums
        return sums.setdefault(workload, _Sum())


def _summed_as(workload: Workload, now_seconds: float) -> Workload:
    if workload.kind == BARE_POD:
        return replace(workload, name="")
    due = _DUE.fullmatch(workload.name) if workload.kind == JOB else None
    if due and abs(60.0 * int(due["minutes"]) - now_seconds) < _DUE_WITHIN_SECONDS:
        return replace(workload, kind=CRON_JOB, name=due["name"])
    return workload


def _other(workload: Workload) -> Workload:
    return Workload(namespace=workload.namespace, kind=OTHER, name="")
