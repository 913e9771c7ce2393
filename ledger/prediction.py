"""What was predicted for one task on several servers: the record of one `POST /predict`.

A server may be one that the caller described or one of the cluster (`source`). `cost_watts` is what
the task adds there; a server that cannot be priced or cannot take the task has None and a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, get_args

from energy.errors import InputError
from ledger import checks
from ledger.checks import Check, check_fields, fields_of, made_from, or_none

PredictionSource = Literal["given", "cluster"]
SOURCES: Final = get_args(PredictionSource)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPrediction:
    """One server as it was when the task was priced on it, and the watts it would add.

    `used_ratio` is the share of its CPU in use before (0-1, more where a reading says so).
    """

    server: str
    cpu_cores: float
    memory_gigabytes: float
    energy_rate_watts_per_core: float
    used_ratio: float
    cost_watts: float | None
    reason: str

    def __post_init__(self) -> None:
        check_fields(self, _SERVER_CHECKS)

    def document(self) -> dict[str, Any]:
        """Return plain values under the fields' names, ready for JSON."""
        return fields_of(self, _SERVER_CHECKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a task of `task_load_percent` (100 is one busy core) costs on each server.

    `best_server` is the cheapest that can take it, None where none can; `predicted_at_seconds` is
    Unix time. `uid` makes it one record however often it is written; it is no part of what was
    predicted. Raises `InputError` for a value that no ledger could keep.
    """

    predicted_at_seconds: float
    model: str
    source: PredictionSource
    task_load_percent: float
    best_server: str | None
    best_cost_watts: float | None
    reason: str
    servers: tuple[ServerPrediction, ...] = ()
    uid: str = field(default_factory=checks.new_uid, compare=False)

    def __post_init__(self) -> None:
        check_fields(self, _RECORD_CHECKS)

    def document(self) -> dict[str, Any]:
        """Return plain values under the fields' names, ready for JSON."""
        plain = fields_of(self, _PREDICTION_CHECKS)
        plain["servers"] = [server.document() for server in self.servers]
        return plain

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return the prediction that `document()` describes; names that we do not know are left."""
        try:
            servers = tuple(
                made_from(ServerPrediction, _SERVER_CHECKS, each)
                for each in document.get("servers") or ()
            )
            return made_from(cls, _RECORD_CHECKS, {**document, "servers": servers})
        except TypeError as error:
            raise InputError(f"no prediction: {error}") from None


_SERVER_CHECKS: Final[Mapping[str, Check]] = {
    "server": checks.NAME,
    "cpu_cores": checks.above_zero,
    "memory_gigabytes": checks.at_least_zero,
    "energy_rate_watts_per_core": checks.at_least_zero,
    "used_ratio": checks.at_least_zero,
    "cost_watts": or_none(checks.number),
    "reason": checks.text(checks.REASON_LENGTH_MAX),
}
_PREDICTION_CHECKS: Final[Mapping[str, Check]] = {
    "predicted_at_seconds": checks.moment,
    "model": checks.WORD,
    "source": checks.one_of(SOURCES),
    "task_load_percent": checks.above_zero,
    "best_server": or_none(checks.NAME),
    "best_cost_watts": or_none(checks.number),
    "reason": checks.REASON,
    "servers": checks.many_of(ServerPrediction, "server predictions"),
}
_RECORD_CHECKS: Final[Mapping[str, Check]] = {**_PREDICTION_CHECKS, "uid": checks.WORD}
