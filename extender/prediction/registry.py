"""The models that may price, an entry each: requests, page and reference follow from these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from energy.catalogue import Catalogue
from energy.regressor.artefact import Regressor
from energy.regressor.forest import Forest
from extender.prediction.models import CostModel, ForestCosts, RegressorCosts, TrainedRange
from extender.prediction.request import FOREST, REGRESSOR

ADDS: Final = "the task adds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as requests name it.

    ``load`` loads it once and may raise `UnavailableError`; ``label`` stands beside its name on the
    page, ``how`` before the watts in a reason. A model that ``yields_to_profiles`` does not price
    the cluster's own nodes: their power profiles do, which are measured or catalogued.
    """

    name: str
    load: Callable[[], CostModel]
    label: str
    how: str
    yields_to_profiles: bool = False


Models: TypeAlias = Mapping[str, Model]


def by_name(*models: Model) -> Models:
    """Models by their names, in order."""
    return {model.name: model for model in models}


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


#: To add a model is to add it here.
SHIPPED: Final[Models] = by_name(
    Model(
        name=REGRESSOR,
        load=shipped_regressor,
        label="watts that the task adds",
        how=ADDS,
        yields_to_profiles=True,
    ),
    Model(
        name=FOREST,
        load=shipped_forest,
        label="the paper's model",
        how="the task's share is",
    ),
)
