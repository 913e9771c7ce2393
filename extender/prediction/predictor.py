"""Prices a request with its model and ranks the servers; the models are loaded when first needed.

Everything here runs on a thread of its own: beside the extender's event loop, which scores pods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TypeAlias

from energy.catalogue import Catalogue
from energy.errors import UnavailableError
from energy.regressor.artefact import Regressor
from energy.regressor.forest import Forest
from extender.prediction.answer import PROFILES, Priced, Ranked, ranked
from extender.prediction.cluster import ClusterServers
from extender.prediction.models import CostModel, ForestCosts, RegressorCosts, TrainedRange
from extender.prediction.request import FOREST, REGRESSOR, Asked, Given
from extender.prediction.servers import Bools, Servers

Models: TypeAlias = Mapping[str, Callable[[], CostModel]]

ADDS, SHARE = "the task adds", "the task's share is"
CLOSED = "takes no such task now: cordoned, tainted, or full of pods"


@cache
def shipped_regressor() -> CostModel:
    """The curve regressor, loaded once.

    Raises:
        UnavailableError: onnxruntime is not installed.
    """
    table = list(Catalogue.shipped().servers.values())
    return RegressorCosts(Regressor.shipped(), TrainedRange.of(table))


@cache
def shipped_forest() -> CostModel:
    """The paper's forest, loaded once.

    Raises:
        UnavailableError: onnxruntime is not installed.
    """
    return ForestCosts(Forest.shipped())


SHIPPED: Models = {REGRESSOR: shipped_regressor, FOREST: shipped_forest}


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
    costs = models[asked.model]().costs(servers, asked.task_cores)
    priced = Priced(
        names=given.names,
        task_cores=asked.task_cores,
        watts=costs.watts,
        fits=servers.fits(asked.task_cores),
        free_cores=servers.free_cores,
        used_ratio=servers.used_ratio,
        clamped=_names(costs.clamped, len(servers)),
        how=_how(asked.model),
    )
    return Predicted(model=asked.model, servers=servers, ranked=ranked(priced))


def _of_cluster(asked: Asked, cluster: ClusterServers, models: Models) -> Predicted:
    model, watts = PROFILES, cluster.added_watts
    clamped: Sequence[tuple[str, ...]] = [()] * len(cluster.names)
    if asked.model != REGRESSOR:
        # Profiles are measured or catalogued, so no predicted curve comes before them.
        costs = models[asked.model]().costs(cluster.servers, asked.task_cores)
        model, watts = asked.model, costs.watts
        clamped = _names(costs.clamped, len(cluster.names))
    priced = Priced(
        names=cluster.names,
        task_cores=asked.task_cores,
        watts=watts,
        fits=cluster.fits,
        free_cores=cluster.free_cores,
        used_ratio=cluster.servers.used_ratio,
        clamped=clamped,
        how=_how(model),
        closed=cluster.fits & ~cluster.takes,
        closed_reason=CLOSED,
    )
    return Predicted(model=model, servers=cluster.servers, ranked=ranked(priced))


def _how(model: str) -> str:
    return SHARE if model == FOREST else ADDS


def _names(clamped: Mapping[str, Bools], count: int) -> list[tuple[str, ...]]:
    """By server the fields that are out of range; most have none."""
    found: list[tuple[str, ...]] = [()] * count
    for name, mask in clamped.items():
        for place in mask.nonzero()[0].tolist():
            found[place] = (*found[place], name)
    return found
