"""Which rows to list: one filter for each kind of record, all of whose fields may be left out.

A filter is checked when it is made: what no row could have raises `InputError`. Times are Unix
seconds: at or after `since_seconds`, before `until_seconds`. Texts are compared sign by sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

import sqlalchemy as sa

from ledger import checks
from ledger.checks import Check, check_fields, or_none
from ledger.decision import REASON_KINDS, ReasonKind
from ledger.tables import ACTIONS, DECISIONS, FORECAST_ERRORS, PREDICTIONS

Conditions = list[sa.ColumnElement[bool]]


class Filter(Protocol):
    """What a page of any table needs to know."""

    table: ClassVar[sa.Table]
    #: The column that the rows are ordered by, with `id`.
    moment: ClassVar[sa.Column[float]]

    def conditions(self) -> Conditions:
        """Return what a row has to satisfy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFilter:
    """Which placement decisions; None means any.

    `workload` is a name or `Kind/name`, `node` the one that was chosen, `reason_kind` the reason in
    a word (`ledger.decision.REASON_KINDS`).
    """

    table: ClassVar[sa.Table] = DECISIONS
    moment: ClassVar[sa.Column[float]] = DECISIONS.c.decided_at_seconds

    since_seconds: float | None = None
    until_seconds: float | None = None
    namespace: str | None = None
    workload: str | None = None
    node: str | None = None
    reason_kind: ReasonKind | None = None
    rule: str | None = None

    def __post_init__(self) -> None:
        check_fields(self, _DECISION_CHECKS)

    def conditions(self) -> Conditions:
        """Return what a row has to satisfy."""
        columns = DECISIONS.c
        found = _within(self.moment, self.since_seconds, self.until_seconds)
        found += _equal(columns.namespace, self.namespace)
        found += _named(columns.workload_kind, columns.workload_name, self.workload)
        found += _equal(columns.node_chosen, self.node)
        found += _equal(columns.reason_kind, self.reason_kind)
        return found + _equal(columns.rule, self.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionFilter:
    """Which predictions; None means any."""

    table: ClassVar[sa.Table] = PREDICTIONS
    moment: ClassVar[sa.Column[float]] = PREDICTIONS.c.predicted_at_seconds

    since_seconds: float | None = None
    until_seconds: float | None = None
    model: str | None = None
    best_server: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        check_fields(self, _PREDICTION_CHECKS)

    def conditions(self) -> Conditions:
        """Return what a row has to satisfy."""
        columns = PREDICTIONS.c
        found = _within(self.moment, self.since_seconds, self.until_seconds)
        found += _equal(columns.model, self.model)
        found += _equal(columns.best_server, self.best_server)
        return found + _equal(columns.source, self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFilter:
    """Which actions; None means any. `subject` is a name or `Kind/name`."""

    table: ClassVar[sa.Table] = ACTIONS
    moment: ClassVar[sa.Column[float]] = ACTIONS.c.decided_at_seconds

    since_seconds: float | None = None
    until_seconds: float | None = None
    kind: str | None = None
    namespace: str | None = None
    subject: str | None = None
    action: str | None = None

    def __post_init__(self) -> None:
        check_fields(self, _ACTION_CHECKS)

    def conditions(self) -> Conditions:
        """Return what a row has to satisfy."""
        columns = ACTIONS.c
        found = _within(self.moment, self.since_seconds, self.until_seconds)
        found += _equal(columns.kind, self.kind)
        found += _equal(columns.namespace, self.namespace)
        found += _named(columns.subject_kind, columns.subject_name, self.subject)
        return found + _equal(columns.action, self.action)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastErrorFilter:
    """Which errors of forecasts; None means any. Times are those of the window's start."""

    table: ClassVar[sa.Table] = FORECAST_ERRORS
    moment: ClassVar[sa.Column[float]] = FORECAST_ERRORS.c.window_start_seconds

    since_seconds: float | None = None
    until_seconds: float | None = None
    forecast_key: str | None = None
    model: str | None = None
    horizon_seconds: int | None = None

    def __post_init__(self) -> None:
        check_fields(self, _ERROR_CHECKS)

    def conditions(self) -> Conditions:
        """Return what a row has to satisfy."""
        columns = FORECAST_ERRORS.c
        found = _within(self.moment, self.since_seconds, self.until_seconds)
        found += _equal(columns.forecast_key, self.forecast_key)
        found += _equal(columns.model, self.model)
        if self.horizon_seconds is not None:
            found.append(columns.horizon_seconds == self.horizon_seconds)
        return found


def _within(moment: sa.Column[float], since: float | None, until: float | None) -> Conditions:
    found: Conditions = []
    if since is not None:
        found.append(moment >= since)
    if until is not None:
        found.append(moment < until)
    return found


def _equal(column: sa.Column[str], value: str | None) -> Conditions:
    return [] if value is None else [column == value]


def _named(kind: sa.Column[str], name: sa.Column[str], wanted: str | None) -> Conditions:
    if wanted is None:
        return []
    word, slash, rest = wanted.rpartition("/")
    return [name == rest, *([kind == word] if slash else [])]


_TEXT: Final = or_none(checks.text(checks.KEY_LENGTH_MAX))
_TIMES: Final = {"since_seconds": or_none(checks.number), "until_seconds": or_none(checks.number)}
_DECISION_CHECKS: Final[Mapping[str, Check]] = {
    **_TIMES,
    "namespace": _TEXT,
    "workload": _TEXT,
    "node": _TEXT,
    "reason_kind": or_none(checks.one_of(REASON_KINDS)),
    "rule": _TEXT,
}
_PREDICTION_CHECKS: Final = {**_TIMES, "model": _TEXT, "best_server": _TEXT, "source": _TEXT}
_ACTION_CHECKS: Final = {
    **_TIMES,
    "kind": _TEXT,
    "namespace": _TEXT,
    "subject": _TEXT,
    "action": _TEXT,
}
_ERROR_CHECKS: Final = {
    **_TIMES,
    "forecast_key": _TEXT,
    "model": _TEXT,
    "horizon_seconds": or_none(checks.whole),
}
