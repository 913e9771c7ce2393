"""What was decided for one pod, and why: the record that the ledger keeps.

A record is checked when it is made, so that whatever later writes it, sends it or sums it can rely
on it: numbers are finite, whole numbers fit 64 bits, texts have no NUL, no lone surrogate and a
length that every database takes. Watts are marginal: what this pod adds to the node's draw at the
load of that moment, by whatever source the record names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import index
from typing import Any, Final, Literal, Self, get_args

from energy.errors import InputError

Mode = Literal["observe", "act"]
MODES: Final = get_args(Mode)
#: Kubernetes' own limits, and room for a sentence; every database takes these lengths.
NAMESPACE_LENGTH_MAX: Final = 63
NAME_LENGTH_MAX: Final = 253
WORD_LENGTH_MAX: Final = 64
REASON_LENGTH_MAX: Final = 4096
#: Beyond any figure, and so small that differences, products with a lifetime and sums are finite.
NUMBER_MAX: Final = 1e100
_INTEGER_MAX: Final = 2**63 - 1


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
        _checked(self, _CANDIDATE_CHECKS)

    def document(self) -> dict[str, Any]:
        """Return plain values under the fields' names, ready for JSON."""
        return {name: getattr(self, name) for name in _CANDIDATE_CHECKS}


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
        _checked(self, _DECISION_CHECKS)

    @property
    def forgone_watts(self) -> float | None:
        """Chosen minus preferred: positive where the choice costs more; None where unknown."""
        if self.chosen_watts is None or self.preferred_watts is None:
            return None
        return self.chosen_watts - self.preferred_watts

    def document(self) -> dict[str, Any]:
        """Return plain values under the fields' names and `forgone_watts`, ready for JSON."""
        plain = {name: getattr(self, name) for name in _DECISION_CHECKS}
        plain["candidates"] = [candidate.document() for candidate in self.candidates]
        plain["forgone_watts"] = self.forgone_watts
        return plain

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return the decision that `document()` describes; names that we do not know are left."""
        known = {name: document[name] for name in _DECISION_CHECKS if name in document}
        try:
            known["candidates"] = tuple(
                Candidate(**{name: each[name] for name in _CANDIDATE_CHECKS if name in each})
                for each in known.get("candidates") or ()
            )
            return cls(**known)
        except TypeError as error:
            raise InputError(f"no placement decision: {error}") from None


_Check = Callable[[Any], Any]


def _checked(record: Candidate | PlacementDecision, checks: Mapping[str, _Check]) -> None:
    """Replace each field by its plain, checked value."""
    for name, check in checks.items():
        value = getattr(record, name)
        try:
            plain = check(value)
        except (TypeError, ValueError) as error:
            where = f"{type(record).__name__}.{name}"
            raise InputError(f"{error}, not {value!r:.100}", where=where) from None
        if plain is not value:
            object.__setattr__(record, name, plain)


def _number(value: Any) -> float:  # noqa: ANN401 - that is what is checked
    if value.__class__ is not float:
        if isinstance(value, bool | str | bytes):
            raise TypeError("must be a number")
        value = float(value)
    if not -NUMBER_MAX <= value <= NUMBER_MAX:
        raise ValueError("must be finite and no larger than 1e100")
    return value  # type: ignore[no-any-return]  # a float by now


def _at_least_zero(value: Any) -> float:  # noqa: ANN401 - same
    number = _number(value)
    if number < 0:
        raise ValueError("must be at least 0")
    return number


def _whole(value: Any) -> int:  # noqa: ANN401 - same
    if isinstance(value, bool):
        raise TypeError("must be a whole number")
    number = index(value)
    if not 0 <= number <= _INTEGER_MAX:
        raise ValueError("must be from 0 to 2^63 - 1")
    return number


def _text(length_max: int, length_min: int = 0) -> _Check:
    def check(value: Any) -> str:  # noqa: ANN401 - same
        if not isinstance(value, str):
            raise TypeError("must be text")
        if not length_min <= len(value) <= length_max:
            raise ValueError(f"must have {length_min} to {length_max} characters")
        if "\0" in value or not (value.isascii() or _has_no_surrogate(value)):
            raise ValueError("must be text that UTF-8 can carry, without NUL")
        return str(value)

    return check


def _has_no_surrogate(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _or_none(check: _Check) -> _Check:
    return lambda value: None if value is None else check(value)


def _mode(value: Any) -> str:  # noqa: ANN401 - same
    if value not in MODES:
        raise ValueError(f"must be one of {', '.join(MODES)}")
    return str(value)


def _candidates(value: Any) -> tuple[Candidate, ...]:  # noqa: ANN401 - same
    listed = tuple(value)
    if not all(isinstance(each, Candidate) for each in listed):
        raise TypeError("must be candidates")
    return listed


_NODE: Final = _text(NAME_LENGTH_MAX, 1)
_WORD: Final = _text(WORD_LENGTH_MAX)
_CANDIDATE_CHECKS: Final[Mapping[str, _Check]] = {
    "node": _NODE,
    "rank": _whole,
    "cost": _number,
    "watts": _or_none(_number),
    "source": _WORD,
    "age_seconds": _or_none(_number),
}
_DECISION_CHECKS: Final[Mapping[str, _Check]] = {
    "decided_at_seconds": _at_least_zero,
    "mode": _mode,
    "namespace": _text(NAMESPACE_LENGTH_MAX, 1),
    "pod": _text(NAME_LENGTH_MAX, 1),
    "uid": _text(WORD_LENGTH_MAX, 1),
    "workload_kind": _WORD,
    "workload_name": _text(NAME_LENGTH_MAX),
    "scheduler_name": _text(NAME_LENGTH_MAX),
    "node_chosen": _NODE,
    "node_preferred": _or_none(_NODE),
    "chosen_watts": _or_none(_number),
    "preferred_watts": _or_none(_number),
    "rule": _WORD,
    "reason": _text(REASON_LENGTH_MAX, 1),
    "candidate_count": _whole,
    "runner_up_node": _or_none(_NODE),
    "runner_up_watts": _or_none(_number),
    "load_source": _WORD,
    "load_age_seconds": _or_none(_number),
    "cpu_millicores": _whole,
    "memory_bytes": _whole,
    "needs_source": _WORD,
    "candidates": _candidates,
    "ended_at_seconds": _or_none(_at_least_zero),
}
