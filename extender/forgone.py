"""What was forgone, summed by workload: watts of the pods that run, joules of all that were seen.

Signed. Watts of single decisions, each with all others as they were: not what a cluster placed by
the rule throughout would have saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from extender.figures import Forgone, Workload

WORKLOADS_MAX = 2000
BARE_POD, OTHER = "Pod", "other"


@dataclass(slots=True)
class _Sum:
    watts: float = 0.0
    watts_since: float = 0.0  # each pod's watts times when it was bound
    joules: float = 0.0
    decisions: int = 0


class ForgoneSums:
    """Adds up decisions; one thread owns it."""

    def __init__(self) -> None:
        self._sums: dict[Workload, _Sum] = {}
        self._running: dict[str, tuple[Workload, float, float]] = {}

    def began(self, key: str, workload: Workload, watts: float, now_seconds: float) -> None:
        """A pod was bound where it adds ``watts`` beyond the preferred node.

        Pods without a controller are one workload of their namespace; so are all workloads of a
        cluster that makes ever new ones (Jobs of a CronJob), beyond `WORKLOADS_MAX`.
        """
        self.ended(key, now_seconds)
        if workload.kind == BARE_POD:
            workload = replace(workload, name="")
        if workload not in self._sums and len(self._sums) >= WORKLOADS_MAX:
            workload = Workload(namespace=workload.namespace, kind=OTHER, name="")
        total = self._sums.setdefault(workload, _Sum())
        total.watts += watts
        total.watts_since += watts * now_seconds
        total.decisions += 1
        self._running[key] = (workload, watts, now_seconds)

    def ended(self, key: str, now_seconds: float) -> None:
        """The pod runs no more; one that was never begun is no change."""
        found = self._running.pop(key, None)
        if found is None:
            return
        workload, watts, since_seconds = found
        total = self._sums[workload]
        total.watts -= watts
        total.watts_since -= watts * since_seconds
        total.joules += watts * max(0.0, now_seconds - since_seconds)

    def totals(self, now_seconds: float) -> Mapping[Workload, Forgone]:
        """Sums as of now."""
        return {
            workload: Forgone(
                watts=total.watts,
                joules=total.joules + total.watts * now_seconds - total.watts_since,
                decisions=total.decisions,
            )
            for workload, total in self._sums.items()
        }
