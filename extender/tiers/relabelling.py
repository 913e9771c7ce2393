"""Changes of labels, one by one: what came of each, what is tried again when, and what was done.

The informer learns of our own changes a moment later. Until it does, what the API server answered
counts, so that nothing is changed twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final, Protocol

from cluster.kube.errors import KubeError, NotFoundError
from cluster.kube.node_labels import NodeLabel
from cluster.kube.pacing import Backoff
from extender.tiers.labels import LabelChange
from extender.tiers.nodes import LabelledNode
from extender.tiers.survey import HeldBack

_log = logging.getLogger(__name__)

#: After which the informer's word counts again, whatever the API server answered us.
ANSWER_SECONDS: Final = 10.0
#: No limit looks further back.
REMEMBERED_SECONDS: Final = 86_400.0
SET, CHANGED, REMOVED, FAILED, GONE = "set", "changed", "removed", "failed", "gone"
RESULTS: Final = (SET, CHANGED, REMOVED, FAILED, GONE)
_BACKOFF: Final = Backoff(initial_seconds=5.0, max_seconds=300.0)


class LabelGateway(Protocol):
    """What sets and removes labels; see `cluster.kube.node_labels.NodeLabels`."""

    def set(self, node: str, tier: int, *, uid: str = "", force: bool = False) -> NodeLabel:
        """Give a node its tier."""
        ...

    def remove(self, node: str, *, uid: str = "", force: bool = False) -> NodeLabel:
        """Take the label away."""
        ...


@dataclass(slots=True)
class _Failure:
    in_a_row: int
    held: HeldBack
    change: tuple[str | None, str | None]


@dataclass(slots=True, kw_only=True)
class Relabelling:
    """Makes changes and remembers them. Not locked: one thread uses it.

    Attributes:
        force: others' labels are taken over.
        results: how many changes came to what, by `RESULTS`.
    """

    labels: LabelGateway
    now: Callable[[], float]
    rng: Random
    force: bool = False
    results: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(RESULTS, 0)))
    _answers: dict[str, tuple[NodeLabel, float]] = field(default_factory=dict)
    _failures: dict[str, _Failure] = field(default_factory=dict)
    _changed_seconds: dict[str, float] = field(default_factory=dict)

    def seen(self, nodes: Sequence[LabelledNode]) -> tuple[LabelledNode, ...]:
        """The nodes with what the API server last answered us; what is not needed is forgotten."""
        now = self.now()
        by_name = {each.name: each for each in nodes}
        for name, (answer, at) in tuple(self._answers.items()):
            node = by_name.get(name)
            if (
                node is None
                or node.label.uid != answer.uid
                or now - at > ANSWER_SECONDS
                or _same(node.label, answer)
            ):
                del self._answers[name]
        for name in tuple(self._failures):
            if name not in by_name:
                del self._failures[name]
        for uid, at in tuple(self._changed_seconds.items()):
            if now - at > REMEMBERED_SECONDS:
                del self._changed_seconds[uid]
        return tuple(
            replace(each, label=self._answers[each.name][0]) if each.name in self._answers else each
            for each in nodes
        )

    @property
    def changed_seconds(self) -> Mapping[str, float]:
        """When we last changed a label, by the node's uid."""
        return self._changed_seconds

    @property
    def answers_due_seconds(self) -> float | None:
        """When the next answer is forgotten; None if none is kept."""
        return min((at + ANSWER_SECONDS for _, at in self._answers.values()), default=None)

    def held_back(self) -> dict[str, HeldBack]:
        """What failed and is not to be tried now, by node."""
        now = self.now()
        return {
            name: each.held
            for name, each in self._failures.items()
            if each.held.until_seconds > now
        }

    def make(self, change: LabelChange, uid: str) -> bool:
        """Make one change; return whether it was made. Nothing is raised, all is logged."""
        try:
            if change.after is None:
                label = self.labels.remove(change.node, uid=uid, force=self.force)
            else:
                label = self.labels.set(change.node, int(change.after), uid=uid, force=self.force)
        except NotFoundError as error:
            self.results[GONE] += 1
            _log.info("node %s is gone: %s", change.node, error)
            # The informer will say so, too; until then it is not asked for again and again.
            self._hold(change, "the node is gone")
            return False
        except KubeError as error:
            self.results[FAILED] += 1
            self._failed(change, error)
            return False
        self._failures.pop(change.node, None)
        self._answers[change.node] = (label, self.now())
        self._changed_seconds[label.uid] = self.now()
        self.results[_result(change)] += 1
        _log.info("node %s: %s: %s", change.node, spoken(change), change.reason)
        return True

    def _failed(self, change: LabelChange, error: KubeError) -> None:
        before = self._failures.get(change.node)
        self._hold(change, str(error))
        wait_seconds = self._failures[change.node].held.until_seconds - self.now()
        # The same words again and again tell nobody anything.
        known = before is not None and before.held.reason == str(error)
        _log.log(
            logging.DEBUG if known else logging.WARNING,
            "node %s: not %s (again in %.0f s): %s",
            change.node,
            spoken(change),
            wait_seconds,
            error,
        )

    def _hold(self, change: LabelChange, reason: str) -> None:
        before = self._failures.get(change.node)
        what = (change.before, change.after)
        in_a_row = before.in_a_row + 1 if before is not None and before.change == what else 1
        wait_seconds = _BACKOFF.wait_seconds(in_a_row, self.rng)
        held = HeldBack(until_seconds=self.now() + wait_seconds, reason=reason)
        self._failures[change.node] = _Failure(in_a_row, held, what)


def spoken(change: LabelChange) -> str:
    """A change in words: `tier 2 -> 3`."""
    if change.before is None:
        return f"tier {change.after}, first label"
    if change.after is None:
        return f"tier {change.before} removed"
    return f"tier {change.before} -> {change.after}"


def _result(change: LabelChange) -> str:
    if change.after is None:
        return REMOVED
    return SET if change.before is None else CHANGED


def _same(label: NodeLabel, answer: NodeLabel) -> bool:
    return (label.value, label.ours) == (answer.value, answer.ours)
