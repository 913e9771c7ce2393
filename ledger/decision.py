"""What was decided for one pod, and why: the record that the ledger keeps.

A record is checked when it is made (`ledger.checks`), so that whatever later writes it, sends it or
sums it can rely on it. Watts are marginal: what this pod adds to the node's draw at the load of
that moment, by whatever source the record names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, get_args

from energy.errors import InputError
from ledger import checks
from ledger.checks import Check, check_fields, fields_of, made_from, or_none

Mode = Literal["observe", "act"]
MODES: Final = get_args(Mode)
ReasonKind = Literal["preferred", "dearer", "cheaper", "equal", "unknown", "no-preference"]
REASON_KINDS: Final = get_args(ReasonKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One node that was weighed.

    `rank` is its class's rank for this pod (0 best), `cost` what the rule compares (in the rule's
    own unit, lower is better), `watts` the marginal watts, None where unknown; `source` says where
    the node's load came from, and `age_seconds` how old it was, None where there is no age.
    """

    node: str
    rank: int
    cost: float
    watts: float | None
    source: str
    age_seconds: float | None = None

    def __post_init__(self) -> None:
        check_fields(self, _CANDIDATE_CHECKS)

    def document(self) -> dict[str, Any]:
        """Return plain values under the fields' names, ready for JSON."""
        return fields_of(self, _CANDIDATE_CHECKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementDecision:
    """Where a pod went, where it would rather have gone, and the watts between.

    `node_preferred` is None where we had no opinion, and either watts None where unknown;
    `forgone_watts` is then None too. `candidates` may hold fewer than `candidate_count` nodes, best
    first. `ended_at_seconds` is None while the pod runs. Times are Unix seconds.

    Raises `InputError` for a value that no ledger could keep.
    """

    decided_at_seconds: float
    mode: Mode
    namespace: str
    pod: str
    uid: str
    workload_kind: str
    workload_name: str
    scheduler_name: str
    node_chosen: str
    node_preferred: str | None
    chosen_watts: float | None
    preferred_watts: float | None
    rule: str
    reason: str
    candidate_count: int
    load_source: str
    needs_source: str
    cpu_millicores: int
    memory_bytes: int
    runner_up_node: str | None = None
    runner_up_watts: float | None = None
    load_age_seconds: float | None = None
    candidates: tuple[Candidate, ...] = ()
    ended_at_seconds: float | None = None

    def __post_init__(self) -> None:
        check_fields(self, _DECISION_CHECKS)

    @property
    def forgone_watts(self) -> float | None:
        """Chosen minus preferred: positive where the choice costs more; None where unknown."""
        if self.chosen_watts is None or self.preferred_watts is None:
            return None
        return self.chosen_watts - self.preferred_watts

    @property
    def reason_kind(self) -> ReasonKind:
        """The reason in a word: `preferred` where the pod went to the node that we prefer.

        Elsewhere it is `dearer`, `cheaper` or `equal` by the sign of `forgone_watts`, `unknown`
        without them; `no-preference` where we had no opinion.
        """
        if self.node_preferred is None:
            return "no-preference"
        if self.node_chosen == self.node_preferred:
            return "preferred"
        forgone = self.forgone_watts
        if forgone is None:
            return "unknown"
        return "dearer" if forgone > 0 else "cheaper" if forgone < 0 else "equal"

    def document(self) -> dict[str, Any]:
        """Return plain values under the fields' names, and what follows from them, for JSON."""
        plain = fields_of(self, _DECISION_CHECKS)
        plain["candidates"] = [candidate.document() for candidate in self.candidates]
        plain["forgone_watts"] = self.forgone_watts
        plain["reason_kind"] = self.reason_kind
        return plain

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return the decision that `document()` describes; names that we do not know are left."""
        known = {name: document[name] for name in _DECISION_CHECKS if name in document}
        try:
            known["candidates"] = tuple(
                made_from(Candidate, _CANDIDATE_CHECKS, each)
                for each in known.get("candidates") or ()
            )
            return cls(**known)
        except TypeError as error:
            raise InputError(f"no placement decision: {error}") from None


_CANDIDATE_CHECKS: Final[Mapping[str, Check]] = {
    "node": checks.NAME,
    "rank": checks.whole,
    "cost": checks.number,
    "watts": or_none(checks.number),
    "source": checks.WORD_OR_EMPTY,
    "age_seconds": or_none(checks.number),
}
_DECISION_CHECKS: Final[Mapping[str, Check]] = {
    "decided_at_seconds": checks.moment,
    "mode": checks.one_of(MODES),
    "namespace": checks.NAMESPACE,
    "pod": checks.NAME,
    "uid": checks.WORD,
    "workload_kind": checks.WORD_OR_EMPTY,
    "workload_name": checks.NAME_OR_EMPTY,
    "scheduler_name": checks.NAME_OR_EMPTY,
    "node_chosen": checks.NAME,
    "node_preferred": or_none(checks.NAME),
    "chosen_watts": or_none(checks.number),
    "preferred_watts": or_none(checks.number),
    "rule": checks.WORD_OR_EMPTY,
    "reason": checks.REASON,
    "candidate_count": checks.whole,
    "runner_up_node": or_none(checks.NAME),
    "runner_up_watts": or_none(checks.number),
    "load_source": checks.WORD_OR_EMPTY,
    "load_age_seconds": or_none(checks.number),
    "cpu_millicores": checks.whole,
    "memory_bytes": checks.whole,
    "needs_source": checks.WORD_OR_EMPTY,
    "candidates": checks.many_of(Candidate, "candidates"),
    "ended_at_seconds": or_none(checks.moment),
}
