"""The trees beside the network, learnt from the same part of the same series."""

from __future__ import annotations

from collections.abc import Sequence

from forecaster.rivals.boosting import GRAPH_FILE
from forecaster.training.origins import Series
from forecaster.training.series import TrainingSeries
from forecaster.training.tabular import BoostingSettings
from forecaster.training.tabular import train as train_trees

__all__ = ["GRAPH_FILE", "train_boosting"]


def train_boosting(series: Sequence[TrainingSeries], keep_ratio: float, seed: int) -> bytes:
    """Learn LightGBM's trees from the first part of each series; return the ONNX graph."""
    learnt = [
        Series(each.name, each.first_minute, each.until(keep_ratio).values) for each in series
    ]
    return train_trees(learnt, BoostingSettings(seed=seed))
