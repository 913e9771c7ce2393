"""Keeps each node's tier label as it should be: a thread that looks, plans, and changes one by one.

Only the leader changes anything, only in `act`, and only while nodes and power profiles are known
and fresh. What is known is published after each look, for HTTP to read at any time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Condition, Event, Thread
from typing import Final, Protocol, Self

from cluster.kube.errors import NotFoundError
from cluster.kube.leader_election import LeaderElection
from extender.scorer import Readiness
from extender.tiers.labels import LabelChange, LabelPlan
from extender.tiers.relabelling import RESULTS, Relabelling
from extender.tiers.settings import ACT, TiersSettings
from extender.tiers.survey import Survey, survey
from extender.tiers.watch import ClusterWatch

_log = logging.getLogger(__name__)

#: How often leadership and the freshness of what is known are looked at.
TURN_SECONDS: Final = 1.0
#: Changes that come together are planned together.
SETTLE_SECONDS: Final = 0.5
#: Of 5,000 nodes a look takes half a second: it must not follow on the last one at once.
LOOKING_RATIO_MAX: Final = 0.1
#: A turn may wait for the API server; one that takes longer hangs.
HANGING_SECONDS: Final = 180.0
STOP_SECONDS: Final = 5.0
#: A plan that takes longer is made anew: costs may have changed meanwhile.
MAKING_SECONDS_MAX: Final = 10.0
#: What lasts no longer is not worth a line in the log: the first lists take a moment.
PASSING_SECONDS: Final = 5.0


class Leadership(Protocol):
    """Whether this process is the one that may change labels; see `LeaderElection`."""

    def leading(self) -> bool:
        """Whether it is, this moment."""
        ...

    def trouble(self) -> str | None:
        """Why that cannot be found out; None if it can."""
        ...

    def end_late(self) -> None:
        """End it, with a change under way: nobody else may begin before that is long over."""
        ...


class Alone:
    """Nobody else is there: no lease is asked for."""

    def leading(self) -> bool:
        """Always."""
        return True

    def trouble(self) -> str | None:
        """Never."""
        return None

    def end_late(self) -> None:
        """Nobody else would."""


class Elected:
    """As a lease says."""

    def __init__(self, election: LeaderElection, namespace: str = "") -> None:
        """Ask an election; `namespace` is its lease's, for people."""
        self._election, self._namespace = election, namespace

    def leading(self) -> bool:
        """Whether we hold the lease."""
        return self._election.leading()

    def trouble(self) -> str | None:
        """Why nobody can say who holds it."""
        status = self._election.status()
        if status.leading or status.error is None:
            return None
        if isinstance(status.error, NotFoundError):
            return (
                f"there is no namespace {self._namespace} for the lease: create it, name another "
                "one with --lease-namespace, or run one controller alone with --no-leader-elect"
            )
        return str(status.error)

    def end_late(self) -> None:
        """Stop and do not give the lease back: others wait until it has run out."""
        self._election.stop(release=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFigures:
    """What metrics and pages are made from.

    Attributes:
        survey: the last look; None before the first.
        troubles: why nothing is changed now, one line each.
        leads: whether this process may change labels.
        age_seconds: since the API server last said anything of nodes.
        results: changes so far by what came of them.
        doubts: power profiles that could not be read.
    """

    mode: str
    rule: str
    survey: Survey | None = None
    troubles: tuple[str, ...] = ()
    leads: bool = False
    age_seconds: float = float("inf")
    results: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(RESULTS, 0))
    doubts: tuple[str, ...] = ()


class Controller:
    """The controller, as a context manager; it works on a thread of its own."""

    def __init__(
        self,
        settings: TiersSettings,
        relabelling: Relabelling,
        watch_with: Callable[[Callable[[], None]], ClusterWatch],
        leadership: Leadership,
        *,
        wall: Callable[[], float] = time.time,
        changed: Callable[[LabelChange], object] = lambda _change: None,
    ) -> None:
        """Prepare.

        Args:
            settings: what a person configured.
            relabelling: makes changes.
            watch_with: makes what follows the cluster, given what to call on a change.
            leadership: whether we may.
            wall: gives Unix seconds as the API server has them: what is remembered is by
                `relabelling`'s clock, which nobody sets.
            changed: told of each change that was made.
        """
        self._settings, self._relabelling, self._leadership = settings, relabelling, leadership
        self._watch = watch_with(self._wake)
        self._wall, self._tell = wall, changed
        self._rules = settings.survey_rules()
        self._moved = Condition()
        self._dirty = True
        self._stopping = Event()
        self._turned_at = time.monotonic()
        self._survey: Survey | None = None
        self._doubts: tuple[str, ...] = ()
        self._troubles: tuple[str, ...] = ("the cluster has not been looked at yet",)
        self._troubled_since: dict[str, float] = {}
        self._said_troubles: set[str] = set()
        self._looked_at = self._look_seconds = 0.0
        self._led = False
        self._said = ""
        self._thread = Thread(target=self._run, name="tiers", daemon=True)

    def __enter__(self) -> Self:
        self._watch.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._wake()
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            self._leadership.end_late()
        self._watch.__exit__()

    # What HTTP asks, on any thread.

    def hangs(self) -> bool:
        """Whether the thread has ended, or does not come back from what it does."""
        silent_seconds = time.monotonic() - self._turned_at
        return not self._thread.is_alive() or silent_seconds > HANGING_SECONDS

    def readiness(self) -> Readiness:
        """Whether labels can be kept, by this process or by the one that leads."""
        lines = (*self._troubles, *self._notes())
        return Readiness(ready=not self._troubles, lines=lines)

    def figures(self) -> TierFigures:
        """Everything that is known."""
        return TierFigures(
            mode=self._settings.mode,
            rule=self._settings.rule,
            survey=self._survey,
            troubles=self._troubles,
            leads=self._may_lead(),
            age_seconds=self._watch.age_seconds,
            results=dict(self._relabelling.results),
            doubts=self._doubts,
        )

    def _notes(self) -> tuple[str, ...]:
        if self._settings.mode != ACT:
            return ()
        return () if self._leadership.leading() else ("standing by: another replica leads",)

    # The thread.

    def _wake(self) -> None:
        with self._moved:
            self._dirty = True
            self._moved.notify_all()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._turned_at = time.monotonic()
            try:
                self._turn()
            except Exception:  # noqa: BLE001 - a thread that dies leaves labels to rot, silently
                _log.exception("a look at the nodes failed")
                self._troubles = ("the last look at the nodes failed, see the log",)
                self._stopping.wait(10 * TURN_SECONDS)
            self._wait()

    def _wait(self) -> None:
        with self._moved:
            if not self._dirty:
                self._moved.wait(TURN_SECONDS)
            woken = self._dirty
        if woken:
            self._stopping.wait(max(SETTLE_SECONDS, self._look_seconds / LOOKING_RATIO_MAX))

    def _turn(self) -> None:
        self._note_troubles()
        leads = self._may_lead()
        if self._troubles or not self._is_due(leads=leads):
            return
        with self._moved:
            self._dirty = False
        self._led = leads
        found = self._look()
        if self._settings.mode == ACT and leads:
            self._make(found)
        else:
            self._say_what_would_be_done(found.plan)

    def _may_lead(self) -> bool:
        return self._settings.mode == ACT and self._leadership.leading()

    def _is_due(self, *, leads: bool) -> bool:
        with self._moved:
            if self._dirty:
                return True
        if leads != self._led or self._survey is None:
            return True
        now = self._relabelling.now()
        answers = self._relabelling.answers_due_seconds
        times = [self._looked_at + self._settings.resync_seconds, self._survey.due_seconds, answers]
        return any(at is not None and at <= now for at in times)

    def _note_troubles(self) -> None:
        troubles = self._watch.troubles()
        if self._settings.mode == ACT and (line := self._leadership.trouble()) is not None:
            troubles = (*troubles, line)
        now = time.monotonic()
        for line in troubles:
            since = self._troubled_since.setdefault(line, now)
            if now - since >= PASSING_SECONDS and line not in self._said_troubles:
                self._said_troubles.add(line)
                _log.warning("no label is changed: %s", line)
        for line in self._troubled_since.keys() - set(troubles):
            del self._troubled_since[line]
            if line in self._said_troubles:
                self._said_troubles.remove(line)
                _log.info("no more: %s", line)
        if self._troubles and not troubles:
            self._wake()  # whatever happened meanwhile
        self._troubles = troubles

    def _look(self) -> Survey:
        began_at = time.monotonic()
        seen = self._watch.seen()
        for doubt in seen.doubts:
            if doubt not in self._doubts:
                _log.warning("%s", doubt)
        self._doubts = seen.doubts
        self._looked_at = self._relabelling.now()
        self._survey = survey(
            self._relabelling.seen(seen.nodes),
            seen.finder,
            self._rules,
            now_seconds=self._looked_at,
            wall_ahead_seconds=self._wall() - self._looked_at,
            held_back=self._relabelling.held_back(),
            remembered_seconds=self._relabelling.changed_seconds,
            before=self._survey,
        )
        self._look_seconds = time.monotonic() - began_at
        return self._survey

    def _make(self, found: Survey) -> None:
        """Make the plan's changes while nothing speaks against it, then look again."""
        uids = {each.name: each.label.uid for each in found.nodes}
        stale_at = time.monotonic() + MAKING_SECONDS_MAX
        for change in found.plan.changes:
            if self._stopping.is_set() or not self._leadership.leading() or self._watch.troubles():
                break
            if time.monotonic() > stale_at:
                self._wake()
                break
            self._turned_at = time.monotonic()
            if self._relabelling.make(change, uids[change.node]):
                self._tell(change)
        if found.plan.changes:
            self._look()

    def _say_what_would_be_done(self, plan: LabelPlan) -> None:
        count = len(plan.changes) + len(plan.waiting)
        if self._settings.mode == ACT or not count:
            said = ""
        else:
            said = f"in act, {count} labels would change; GET /tiers names them"
        if said and said != self._said:
            _log.info("%s", said)
        self._said = said
