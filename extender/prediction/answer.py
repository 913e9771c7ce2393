"""What `POST /predict` answers: servers by cost, the best one, and a sentence that says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from extender.prediction.servers import Bools, Floats

#: A prediction of whole nodes by the profiles of the cluster has no model of ours behind it.
PROFILES: Final = "power-profiles"
ANSWERED_BY: Final = "The model, or power-profiles for the cluster's nodes."


class AnsweredServer(TypedDict):
    """One server, and what the task costs there; figures are null where it does not fit.

    ``rank`` 1 is best; ``clamped`` names fields of the request outside the range that the model was
    trained on. A plain dictionary, as there may be ten thousand.
    """

    id: str
    cost_watts: float | None
    rank: int | None
    reason: str
    clamped: tuple[str, ...]


class Answer(BaseModel):
    """The costs of a task on servers, in the order of the request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prediction_id: str = Field(description="From its time; `GET /predictions` has the same one.")
    predicted_at_seconds: float = Field(description="Unix time.")
    model: str = Field(description=ANSWERED_BY)
    source: Literal["given", "cluster"]
    task_load_percent: float = Field(description="Percent of one core.")
    best_server: str | None = Field(description="Null where the task fits no server.")
    best_cost_watts: float | None
    reason: str
    recorded: bool = Field(description="Whether the ledger took it; false where there is none.")
    servers: list[AnsweredServer]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Priced:
    """Servers with their costs, before they are ranked; one entry each in every column.

    ``closed`` marks servers that take no task for another reason than their size, with that
    reason; ``clamped`` names fields out of range.
    """

    names: Sequence[str]
    task_cores: float
    watts: Floats
    fits: Bools
    free_cores: Floats
    used_ratio: Floats
    clamped: Sequence[tuple[str, ...]]
    how: str
    closed: Bools | None = None
    closed_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranked:
    """Priced servers in order: ``order`` holds the places of those that fit, cheapest first."""

    priced: Priced
    order: NDArray[np.int64]

    @property
    def best(self) -> int | None:
        """The place of the best server."""
        return int(self.order[0]) if len(self.order) else None


def ranked(priced: Priced) -> Ranked:
    """Order the servers that the task fits by cost; of equals the one that was named first."""
    open_to = priced.fits if priced.closed is None else priced.fits & ~priced.closed
    return Ranked(priced=priced, order=cheapest_first(priced.watts, open_to))


def cheapest_first(watts: Floats, open_to: Bools) -> NDArray[np.int64]:
    """Places of the servers that take the task, by cost; of equals the one that was named first."""
    places = np.flatnonzero(open_to)
    order: NDArray[np.int64] = places[np.argsort(watts[places], kind="stable")]
    return order


def server_answers(found: Ranked) -> list[AnsweredServer]:
    """One answer a server, in the order of the request."""
    priced = found.priced
    rank_of: dict[int, int] = {place: rank for rank, place in enumerate(found.order.tolist(), 1)}
    return [
        AnsweredServer(
            id=name,
            cost_watts=float(priced.watts[place]) if place in rank_of else None,
            rank=rank_of.get(place),
            reason=_reason(priced, place),
            clamped=priced.clamped[place],
        )
        for place, name in enumerate(priced.names)
    ]


def sentence(found: Ranked) -> str:
    """Why the best server is best, and by how much."""
    priced, order = found.priced, found.order
    if not len(order):
        return f"no server can take the task: {_why_none(priced)}"
    best = int(order[0])
    said = f"{priced.names[best]} costs least: {priced.how} {_watts(priced.watts[best])}"
    if len(order) == 1:
        return f"{said}, and it is the only server that can take the task"
    second = int(order[1])
    runner_up, more = priced.names[second], float(priced.watts[second] - priced.watts[best])
    if more <= 0:
        return f"{said}, as on {runner_up}; of equals the one that was named first is best"
    after = float(priced.watts[second])
    # A measured curve may fall, and a share of nothing says nothing.
    share = f" ({100 * more / after:.0f} %)" if after > 0 else ""
    return f"{said}, {_watts(more)}{share} less than on the next, {runner_up} ({_watts(after)})"


def _reason(priced: Priced, place: int) -> str:
    if priced.closed is not None and priced.closed[place]:
        return priced.closed_reason
    if not priced.fits[place]:
        return (
            f"the task does not fit: it keeps {priced.task_cores:g} cores busy, "
            f"{priced.free_cores[place]:g} are free"
        )
    said = (
        f"{priced.how} {_watts(priced.watts[place])} at {100 * priced.used_ratio[place]:g} % load"
    )
    if priced.clamped[place]:
        fields = ", ".join(priced.clamped[place])
        said += f"; beyond what the model was trained on: {fields}"
    return said


def _why_none(priced: Priced) -> str:
    most = float(priced.free_cores.max(initial=0.0))
    if priced.task_cores > most:
        return (
            f"it keeps {priced.task_cores:g} cores busy, and no server has more than {most:g} free"
        )
    return priced.closed_reason or "none has room"


def _watts(watts: float) -> str:
    return f"{watts:.3g} W"
