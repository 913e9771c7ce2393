"""Which facts matter: how much worse held-out curves get when one feature is shuffled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from energy.regressor.candidates import ShapeModel
from energy.regressor.facts import facts_of
from energy.regressor.features import (
    FEATURE_NAMES,
    SIZE_NAMES,
    VENDOR_NAMES,
    WATT_NAMES,
    Matrix,
    curves_of,
    feature_matrix,
    watts_of_shapes,
)
from energy.regressor.folds import cpu_folds, fold_sides
from energy.regressor.scores import mape_ratio
from energy.servers import CatalogueServer

SEED = 0
REPEATS = 5


def permutation_importance(
    make: Callable[[], ShapeModel], servers: Sequence[CatalogueServer]
) -> dict[str, float]:
    """Rise of the mean MAPE over held-out servers when a feature is shuffled, largest first.

    The vendors count as one feature. Watts enter eight times, so that shuffling one of them leaves
    seven others that say nearly the same: shares of related features add up.
    """
    groups: dict[str, list[int]] = {
        name: [FEATURE_NAMES.index(name)] for name in (*SIZE_NAMES, *WATT_NAMES)
    }
    groups["vendor"] = [FEATURE_NAMES.index(name) for name in VENDOR_NAMES]
    rises = dict.fromkeys(groups, 0.0)
    rng = np.random.default_rng(SEED)
    for train, test in fold_sides(cpu_folds(servers)):
        model = make().fit([servers[place] for place in train])
        held_out = [servers[place] for place in test]
        facts = [facts_of(server) for server in held_out]
        levels = model.levels.watts(facts)
        features, measured = feature_matrix(facts, levels), curves_of(held_out)
        plain = _total_mape(model, features, levels, measured)
        for name, columns in groups.items():
            for _ in range(REPEATS):
                shuffled = features.copy()
                order = rng.permutation(len(features))
                shuffled[:, columns] = features[order][:, columns]
                rise = _total_mape(model, shuffled, levels, measured) - plain
                rises[name] += rise / REPEATS / len(servers)
    return dict(sorted(rises.items(), key=lambda item: -item[1]))


def _total_mape(model: ShapeModel, features: Matrix, levels: Matrix, measured: Matrix) -> float:
    predicted = watts_of_shapes(model.shapes(features), levels)
    return float(mape_ratio(measured, predicted).sum())
