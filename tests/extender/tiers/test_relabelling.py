"""One change after the other: what fails waits longer and longer, and nothing is done twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from cluster.kube.errors import ForbiddenError, KubeError, NotFoundError
from cluster.kube.node_labels import NodeLabel
from extender.tiers.clock import steady
from extender.tiers.labels import LabelChange, LabelLimits, PresentLabel, WantedLabel, label_plan
from extender.tiers.nodes import LabelledNode, present_label
from extender.tiers.relabelling import ANSWER_SECONDS, Relabelling


@dataclass
class Scripted:
    """Stands for the API server: it refuses as it is told to."""

    refusal: KubeError | None = None
    asked: list[tuple[str, int | None]] = field(default_factory=list)

    def set(self, node: str, tier: int, *, uid: str = "", force: bool = False) -> NodeLabel:
        """Answer with the label."""
        return self._answer(node, tier, uid)

    def remove(self, node: str, *, uid: str = "", force: bool = False) -> NodeLabel:
        """Answer without."""
        return self._answer(node, None, uid)

    def _answer(self, node: str, tier: int | None, uid: str) -> NodeLabel:
        self.asked.append((node, tier))
        if self.refusal is not None:
            raise self.refusal
        value = None if tier is None else str(tier)
        return NodeLabel(node=node, uid=uid, value=value, ours=tier is not None)


@dataclass
class Clock:
    """A time that stands still."""

    now_seconds: float = 1000.0

    def __call__(self) -> float:
        """Unix time."""
        return self.now_seconds


def node(value: str | None = None, uid: str = "u") -> LabelledNode:
    """A node as the informer has it."""
    return LabelledNode(
        node=None, label=NodeLabel(node="n", uid=uid, value=value, ours=value is not None)
    )


def change(before: str | None, after: str | None) -> LabelChange:
    """A change of it."""
    return LabelChange(node="n", before=before, after=after, reason="it is cheap")


FORBIDDEN = ForbiddenError("may not", where="api", mend="bind a role")


def test_what_the_server_answered_counts_until_the_informer_knows() -> None:
    """Or until it is old, as when somebody changed the label at the same moment."""
    clock = Clock()
    made = Relabelling(labels=Scripted(), now=clock, rng=Random(1))

    assert made.make(change(None, "3"), "u")
    (seen,) = made.seen([node()])
    assert seen.label.value == "3"
    assert made.results["set"] == 1
    assert made.changed_seconds == {"u": clock.now_seconds}

    (other,) = made.seen([node(uid="another")])
    assert other.label.value is None, "another node has its name"

    made.make(change(None, "3"), "u")
    clock.now_seconds += ANSWER_SECONDS + 1
    (later,) = made.seen([node()])
    assert later.label.value is None


def test_a_failure_is_held_back_for_longer_and_longer() -> None:
    """Until it succeeds."""
    clock, server = Clock(), Scripted(refusal=FORBIDDEN)
    made = Relabelling(labels=server, now=clock, rng=Random(1))

    waits = []
    for _ in range(8):
        assert not made.make(change("1", "2"), "u")
        held = made.held_back()["n"]
        assert "bind a role" in held.reason
        waits.append(held.until_seconds - clock.now_seconds)
        clock.now_seconds = held.until_seconds
        assert not made.held_back()
    assert waits[0] <= 5
    assert waits[-1] > 100
    assert made.results["failed"] == 8

    server.refusal = None
    assert made.make(change("1", "2"), "u")
    assert made.results["changed"] == 1


def test_another_change_of_a_node_starts_anew() -> None:
    """What failed before says little of it."""
    clock = Clock()
    made = Relabelling(labels=Scripted(refusal=FORBIDDEN), now=clock, rng=Random(1))
    for _ in range(8):
        made.make(change("1", "2"), "u")
    made.make(change("1", None), "u")
    assert made.held_back()["n"].until_seconds - clock.now_seconds <= 5


def test_a_node_that_is_gone_is_no_failure() -> None:
    """It left between the plan and the change, and is forgotten with the next look."""
    gone = NotFoundError("gone", where="api", mend="list again")
    made = Relabelling(labels=Scripted(refusal=gone), now=Clock(), rng=Random(1))

    assert not made.make(change(None, "2"), "u")
    assert (made.results["gone"], made.results["failed"]) == (1, 0)
    made.seen([])
    assert not made.held_back()


def test_a_label_that_others_set_too_is_not_ours_alone() -> None:
    """To change it would be refused; with force everybody's is ours."""
    shared = NodeLabel(node="n", uid="u", value="1", ours=True, foreign_owners=("kubectl",))
    assert not present_label(shared).ours
    assert present_label(shared, force=True).ours
    assert present_label(shared, changed_at_seconds=5.0).changed_at_seconds == 5.0


def test_a_wall_clock_that_is_set_back_keeps_no_limit_for_as_long() -> None:
    """The minute of the last change passes as time does."""
    wall, passed = Clock(now_seconds=10_000.0), Clock(now_seconds=7.0)
    made = Relabelling(labels=Scripted(), now=steady(wall, passed), rng=Random(1))
    made.make(change("1", "2"), "u")
    assert made.changed_seconds == {"u": 10_000.0}

    wall.now_seconds -= 3600
    passed.now_seconds += 60
    plan = label_plan(
        {"other": PresentLabel()},
        {"other": WantedLabel(tier=0, reason="it is cheap")},
        limits=LabelLimits(changes_per_minute_max=1),
        changed_seconds=made.changed_seconds.values(),
        now_seconds=made.now(),
    )
    assert [each.node for each in plan.changes] == ["other"]
