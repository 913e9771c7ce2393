"""What was decided beyond placing a pod: a workload scaled, a node put to sleep, a plan applied.

Also what a forecaster decided: that traffic is out of the ordinary, that another model serves.

One record for all of them, so that a new kind of action needs no new table. What only one kind has
goes into `detail`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, get_args

from energy.errors import InputError
from ledger import checks
from ledger.checks import Check, check_fields, fields_of, made_from, or_none
from ledger.decision import MODES, Mode

ActionKind = Literal["scale", "node", "plan", "forecast"]
KINDS: Final = get_args(ActionKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDecision:
    """One thing that was done, or in `observe` would have been, and why.

    `action` is a word such as `label`, `scale-up`, `sleep` or `move`; `before_value` and
    `after_value` are what it changes (replicas of a scale), `saved_watts` what it saves, negative
    where it costs; each None where there is none or it is unknown. `namespace` is empty for what
    belongs to no namespace, `forecast_key` (`namespace/kind/name`) where no forecast was used.
    `decided_at_seconds` is Unix time. `uid` makes it one record however often it is written; it is
    no part of what was decided.

    Raises `InputError` for a value that no ledger could keep.
    """

    decided_at_seconds: float
    mode: Mode
    kind: ActionKind
    namespace: str
    subject_kind: str
    subject_name: str
    action: str
    rule: str
    reason: str
    before_value: float | None = None
    after_value: float | None = None
    saved_watts: float | None = None
    forecast_key: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    uid: str = field(default_factory=checks.new_uid, compare=False)

    def __post_init__(self) -> None:
        check_fields(self, _RECORD_CHECKS)

    def document(self) -> dict[str, Any]:
        """Return plain values under the fields' names, ready for JSON."""
        return fields_of(self, _ACTION_CHECKS)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return the action that `document()` describes; names that we do not know are left."""
        try:
            return made_from(cls, _RECORD_CHECKS, document)
        except TypeError as error:
            raise InputError(f"no action: {error}") from None


_ACTION_CHECKS: Final[Mapping[str, Check]] = {
    "decided_at_seconds": checks.moment,
    "mode": checks.one_of(MODES),
    "kind": checks.one_of(KINDS),
    "namespace": checks.NAMESPACE_OR_EMPTY,
    "subject_kind": checks.WORD,
    "subject_name": checks.NAME,
    "action": checks.WORD,
    "before_value": or_none(checks.number),
    "after_value": or_none(checks.number),
    "saved_watts": or_none(checks.number),
    "forecast_key": checks.text(checks.KEY_LENGTH_MAX),
    "rule": checks.WORD_OR_EMPTY,
    "reason": checks.REASON,
    "detail": checks.json_object,
}
_RECORD_CHECKS: Final[Mapping[str, Check]] = {**_ACTION_CHECKS, "uid": checks.WORD}
