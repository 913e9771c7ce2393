"""Prices a request with its model and ranks the servers.

Everything here runs on a thread of its own: beside the extender's event loop, which scores pods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from energy.errors import UnavailableError
from extender.prediction.answer import PROFILES, Priced, Ranked, ranked
from extender.prediction.cluster import ClusterServers
from extender.prediction.registry import ADDS, SHIPPED, Models
from extender.prediction.request import Asked, Given
from extender.prediction.servers import Bools, Servers

CLOSED = "takes no such task now: cordoned, tainted, or full of pods"


def require_onnxruntime() -> None:
    """Say at once, without loading anything, that no model could be loaded.

    Raises:
        UnavailableError: onnxruntime is not installed.
    """
    if find_spec("onnxruntime") is None:
        raise UnavailableError(
            "predictions need onnxruntime", mend="install negawatt with the extra `regressor`"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predicted:
    """A request's servers, priced and ranked, and the model that did it."""

    model: str
    servers: Servers
    ranked: Ranked


def predict(asked: Asked, cluster: ClusterServers | None, models: Models = SHIPPED) -> Predicted:
    """Price and rank the servers of a request; ``cluster`` are those that it means, if it does.

    Raises:
        UnavailableError: the model cannot be loaded.
    """
    if cluster is None:
        return _given(asked, models)
    return _of_cluster(asked, cluster, models)


def _given(asked: Asked, models: Models) -> Predicted:
    given = asked.servers or Given()
    servers = Servers.of(given)
    costs = models[asked.model].load().costs(servers, asked.task_cores)
    priced = Priced(
        names=given.names,
        task_cores=asked.task_cores,
        watts=costs.watts,
        fits=servers.fits(asked.task_cores),
        free_cores=servers.free_cores,
        used_ratio=servers.used_ratio,
        clamped=_names(costs.clamped, len(servers)),
        how=models[asked.model].how,
    )
    return Predicted(model=asked.model, servers=servers, ranked=ranked(priced))


def _of_cluster(asked: Asked, cluster: ClusterServers, models: Models) -> Predicted:
    model, watts, how = PROFILES, cluster.added_watts, ADDS
    clamped: Sequence[tuple[str, ...]] = [()] * len(cluster.names)
    if not models[asked.model].yields_to_profiles:
        costs = models[asked.model].load().costs(cluster.servers, asked.task_cores)
        model, watts, how = asked.model, costs.watts, models[asked.model].how
        clamped = _names(costs.clamped, len(cluster.names))
    priced = Priced(
        names=cluster.names,
        task_cores=asked.task_cores,
        watts=watts,
        fits=cluster.fits,
        free_cores=cluster.free_cores,
        used_ratio=cluster.servers.used_ratio,
        clamped=clamped,
        how=how,
        closed=cluster.fits & ~cluster.takes,
        closed_reason=CLOSED,
    )
    return Predicted(model=model, servers=cluster.servers, ranked=ranked(priced))


def _names(clamped: Mapping[str, Bools], count: int) -> list[tuple[str, ...]]:
    """By server the fields that are out of range; most have none."""
    found: list[tuple[str, ...]] = [()] * count
    for name, mask in clamped.items():
        for place in mask.nonzero()[0].tolist():
            found[place] = (*found[place], name)
    return found
