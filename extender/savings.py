"""What was forgone, summed by namespace or by workload."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from extender.figures import Figures, Forgone, Workload

By: TypeAlias = Literal["namespace", "workload"]
NAMESPACE: By = "namespace"

NOTE = (
    "Predicted by power curves, not measured, and signed: negative where the scheduler's choice is "
    "the cheaper one now. Watts are of the pods that run now; energy is so far, since the "
    "extender started."
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SavingsRow(_Frozen):
    """One namespace, or one workload of it (``kind`` and ``name``, else None)."""

    namespace: str
    kind: str | None = None
    name: str | None = None
    forgone_watts: float = Field(description="Signed, of the pods that run now.")
    forgone_joules: float = Field(description="Signed, so far.")
    decisions: int


class Savings(_Frozen):
    """The rows, the most watts first, and their sums."""

    mode: str
    rule: str
    by: By
    forgone_watts: float
    forgone_joules: float
    decisions: int
    note: str = NOTE
    rows: tuple[SavingsRow, ...]


def summed(figures: Figures, by: By) -> Savings:
    """What the figures say was forgone, by namespace or by workload."""
    groups: dict[tuple[str, str | None, str | None], list[Forgone]] = {}
    for workload, forgone in figures.forgone.items():
        groups.setdefault(_key(workload, by), []).append(forgone)
    rows = [
        SavingsRow(
            namespace=namespace,
            kind=kind,
            name=name,
            forgone_watts=_sum(one.watts for one in group),
            forgone_joules=_sum(one.joules for one in group),
            decisions=sum(one.decisions for one in group),
        )
        for (namespace, kind, name), group in groups.items()
    ]
    rows.sort(key=lambda row: (-row.forgone_watts, row.namespace, row.kind or "", row.name or ""))
    return Savings(
        mode=figures.mode,
        rule=figures.rule,
        by=by,
        forgone_watts=_sum(row.forgone_watts for row in rows),
        forgone_joules=_sum(row.forgone_joules for row in rows),
        decisions=sum(row.decisions for row in rows),
        rows=tuple(rows),
    )


def _key(workload: Workload, by: By) -> tuple[str, str | None, str | None]:
    if by == NAMESPACE:
        return workload.namespace, None, None
    return workload.namespace, workload.kind, workload.name


def _sum(values: Iterable[float]) -> float:
    return math.fsum(values)
