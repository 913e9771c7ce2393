"""The models that compete under one interface: fit on measured servers, predict from facts.

Needs the extra `energy-training`; serving does not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Self, cast

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from energy.errors import UnavailableError
from energy.power_curve import LOAD_LEVELS
from energy.regressor.facts import ServerFacts, facts_of
from energy.regressor.features import (
    FEATURE_NAMES,
    Matrix,
    curves_of,
    feature_matrix,
    known_levels,
    level_targets,
    shapes_of,
    size_matrix,
    straight_lines,
    watts_of_shapes,
)
from energy.regressor.forest import FEATURES, NAME
from energy.regressor.validation import CurveModel
from energy.servers import CatalogueServer

SEED: Final = 0
#: Of the paper's forest.
TREES: Final = 100


class MeanOf(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn is untyped
    """The mean of several estimators' outputs."""

    def __init__(self, members: Sequence[Any]) -> None:
        self.members = members

    def fit(self, features: Matrix, targets: Matrix) -> Self:
        """Fit each member on the same servers."""
        for member in self.members:
            member.fit(features, targets)
        return self

    def predict(self, features: Matrix) -> Matrix:
        """Mean of the members' predictions."""
        return np.asarray(np.mean([member.predict(features) for member in self.members], axis=0))


class Levels:
    """Predicts idle and peak watts of servers that no meter ever saw; fitted when first needed."""

    def __init__(self) -> None:
        self._servers: Sequence[CatalogueServer] = ()
        self.estimator: Any = None
        self.low = self.high = np.empty(0)

    def fit(self, servers: Sequence[CatalogueServer]) -> Self:
        """Remember what to learn from."""
        self._servers, self.estimator = servers, None
        return self

    def fitted(self) -> Any:  # noqa: ANN401 - scikit-learn is untyped
        """Return the estimator of (log peak per size, log idle over peak) from sizes."""
        if self.estimator is None:
            sizes = size_matrix([facts_of(server) for server in self._servers])
            self.low, self.high = sizes.min(axis=0), sizes.max(axis=0)
            trees = ExtraTreesRegressor(50, min_samples_leaf=4, random_state=SEED, n_jobs=1)
            both = MeanOf((trees, _gaussian_process(sizes.shape[1])))
            with _one_thread():
                self.estimator = both.fit(sizes, level_targets(self._servers))
        return self.estimator

    def watts(self, facts: Sequence[ServerFacts]) -> Matrix:
        """Idle and peak watts, predicted where unknown: (servers, 2)."""
        if all(each.idle_watts and each.peak_watts for each in facts):
            return known_levels(facts, None)
        estimator = self.fitted()
        sizes = np.clip(size_matrix(facts), self.low, self.high)
        return known_levels(facts, np.asarray(estimator.predict(sizes)))


class Linear:
    """The straight line from idle to peak."""

    def __init__(self) -> None:
        self.levels = Levels()

    def fit(self, servers: Sequence[CatalogueServer]) -> Self:
        """Learn only idle and peak, for servers where they are unknown."""
        self.levels.fit(servers)
        return self

    def predict(self, facts: Sequence[ServerFacts]) -> Matrix:
        """Straight lines."""
        return straight_lines(self.levels.watts(facts))


class PaperPipeline:
    """The pipeline of Pratap et al., "Energy-Aware Load Balancing in Distributed Systems Using ML".

    StandardScaler, then a random forest of 100 trees, over cpus (cores), memory (GB), energy_rate
    (peak watts) and task_load (utilisation); its target is the watts at that load. With
    ``leaves_max`` a tree keeps so many leaves, its best ones.
    """

    FEATURES: Final = FEATURES

    def __init__(self, leaves_max: int | None = None) -> None:
        self.levels = Levels()
        forest = RandomForestRegressor(
            TREES, max_leaf_nodes=leaves_max, random_state=SEED, n_jobs=1
        )
        self.pipeline: Pipeline = make_pipeline(StandardScaler(), forest)

    def fit(self, servers: Sequence[CatalogueServer]) -> Self:
        """One row for each server and load level."""
        self.levels.fit(servers)
        facts = [facts_of(server) for server in servers]
        self.pipeline.fit(self.rows(facts), curves_of(servers).ravel())
        return self

    def predict(self, facts: Sequence[ServerFacts]) -> Matrix:
        """Watts at each load level, each on its own."""
        return np.asarray(self.pipeline.predict(self.rows(facts))).reshape(len(facts), -1)

    @property
    def importances(self) -> dict[str, float]:
        """The forest's own importance of each feature."""
        return dict(zip(self.FEATURES, self.pipeline[-1].feature_importances_, strict=True))

    def rows(self, facts: Sequence[ServerFacts]) -> Matrix:
        """One row of `FEATURES` for each server and load level: (servers x 11, 4)."""
        peaks = self.levels.watts(facts)[:, 1]
        return np.array(
            [
                (each.cores, each.memory_gigabytes or 0.0, peak, load)
                for each, peak in zip(facts, peaks, strict=True)
                for load in LOAD_LEVELS
            ]
        )


@dataclass
class ShapeModel:
    """An estimator of the curve's shape between idle and peak, from all features."""

    make_estimator: Callable[[], Any]
    levels: Levels = field(default_factory=Levels)
    estimator: Any = None
    low: Matrix = field(default_factory=lambda: np.empty(0))
    high: Matrix = field(default_factory=lambda: np.empty(0))

    def fit(self, servers: Sequence[CatalogueServer]) -> Self:
        """Learn shapes; features of other servers are kept within the range seen here."""
        self.levels.fit(servers)
        facts = [facts_of(server) for server in servers]
        features = feature_matrix(facts, self.levels.watts(facts))
        self.low, self.high = features.min(axis=0), features.max(axis=0)
        with warnings.catch_warnings(), _one_thread():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the net stops at its step limit
            self.estimator = self.make_estimator().fit(features, shapes_of(servers))
        return self

    def predict(self, facts: Sequence[ServerFacts]) -> Matrix:
        """Curves from idle to peak."""
        levels = self.levels.watts(facts)
        return watts_of_shapes(self.shapes(feature_matrix(facts, levels)), levels)

    def shapes(self, features: Matrix) -> Matrix:
        """Shapes as the estimator gives them: (servers, 9)."""
        inside = np.clip(features, self.low, self.high)
        return np.asarray(self.estimator.predict(inside), dtype=np.float64)


def _one_thread() -> AbstractContextManager[object]:
    # Sums split over threads differ in their last bits from machine to machine.
    return cast("AbstractContextManager[object]", threadpool_limits(limits=1))


def _extra_trees() -> ExtraTreesRegressor:
    return ExtraTreesRegressor(80, min_samples_leaf=3, random_state=SEED, n_jobs=1)


def _gaussian_process(width: int = len(FEATURE_NAMES)) -> Pipeline:
    # Fixed, so that training is one linear solve with no optimiser to stop elsewhere: an
    # exponential kernel three standard deviations wide in each direction, 5 % of noise.
    kernel = Matern(length_scale=3.0 * width**0.5, nu=0.5)
    process = GaussianProcessRegressor(kernel, alpha=0.05, optimizer=None, normalize_y=True)
    return make_pipeline(StandardScaler(), process)


def light_gbm() -> Any:  # noqa: ANN401 - an untyped library's module
    """Import LightGBM, whose wheel expects the system's OpenMP library where the others bring one.

    Raises:
        UnavailableError: it is not installed, or that library is missing.
    """
    try:
        import lightgbm
    except ImportError:
        raise UnavailableError(
            "training needs lightgbm", mend="install negawatt with the extra `energy-training`"
        ) from None
    except OSError as error:
        reason = str(error).partition(":")[0]
        raise UnavailableError(
            f"LightGBM cannot load a system library ({reason})",
            mend="install it: `apt-get install libgomp1`",
        ) from None
    return lightgbm


def _gradient_boosting() -> MultiOutputRegressor:
    return MultiOutputRegressor(
        light_gbm().LGBMRegressor(
            n_estimators=200,
            learning_rate=0.05,
            num_leaves=15,
            min_child_samples=5,
            colsample_bytree=0.7,
            deterministic=True,
            force_row_wise=True,
            random_state=SEED,
            n_jobs=1,
            verbose=-1,
        )
    )


def _neural_net() -> Pipeline:
    net = MLPRegressor(
        hidden_layer_sizes=(32,),
        alpha=3.0,
        solver="lbfgs",
        max_iter=2000,
        max_fun=30_000,
        random_state=SEED,
    )
    return make_pipeline(StandardScaler(), net)


def _support_vectors() -> Pipeline:
    return make_pipeline(
        StandardScaler(), MultiOutputRegressor(SVR(C=1.0, epsilon=0.005, gamma=0.03))
    )


LINEAR: Final = "linear"
PAPER: Final = NAME
#: Every model of the table, by name.
CANDIDATES: Final[dict[str, Callable[[], CurveModel]]] = {
    LINEAR: Linear,
    PAPER: PaperPipeline,
    "decision-tree": lambda: ShapeModel(
        lambda: DecisionTreeRegressor(min_samples_leaf=4, random_state=SEED)
    ),
    "support-vectors": lambda: ShapeModel(_support_vectors),
    "gradient-boosting": lambda: ShapeModel(_gradient_boosting),
    "neural-net": lambda: ShapeModel(_neural_net),
    "gaussian-process": lambda: ShapeModel(_gaussian_process),
    "extra-trees": lambda: ShapeModel(_extra_trees),
    "trees-and-process": lambda: ShapeModel(lambda: MeanOf((_extra_trees(), _gaussian_process()))),
}
