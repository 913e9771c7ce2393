"""The trees beside the network, learnt from the same parts of the same series and judged alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.evaluation.scores import relative_mae
from forecaster.rivals.boosting import GRAPH_FILE, Boosting
from forecaster.training.origins import Origins, Series
from forecaster.training.series import TrainingSeries
from forecaster.training.tabular import BoostingSettings, Samples, made_up, train

__all__ = ["GRAPH_FILE", "TrainedTrees", "errors_of", "train_trees", "train_trees_without"]

#: Origins that are judged at once; each brings the means of eight days.
_ROWS_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class TrainedTrees:
    """What came of it.

    Attributes:
        graph: the ONNX graph that is kept.
        errors: relative MAE of each series on the part held back, by trees that learnt from the
            part before it only.
        settings: how they learnt.
        more: the made-up examples, for the next training.
    """

    graph: bytes
    errors: Mapping[str, float]
    settings: BoostingSettings
    more: Sequence[Samples]


def train_trees(
    series: Sequence[TrainingSeries],
    settings: BoostingSettings,
    learn_ratio: float,
    keep_ratio: float,
    advance: Callable[[], None] = lambda: None,
) -> TrainedTrees:
    """Learn LightGBM's trees from the first part of each series, be judged, and learn again.

    Args:
        series: cleaned.
        settings: how they learn.
        learn_ratio: those that are judged learn from this much of each series.
        keep_ratio: they are judged up to here; those that are kept learn from all before.
        advance: told of each of the two trainings.

    Raises:
        InputError: there is nothing to learn from.
    """
    more = made_up(settings)
    first = train(_learnt(series, learn_ratio), settings, more)
    errors = {each.name: errors_of(first, each, learn_ratio, keep_ratio) for each in series}
    advance()
    graph = train(_learnt(series, keep_ratio), settings, more)
    advance()
    return TrainedTrees(graph, errors, settings, more)


def train_trees_without(
    name: str,
    series: Sequence[TrainingSeries],
    trained: TrainedTrees,
    learn_ratio: float,
    keep_ratio: float,
) -> TrainedTrees:
    """Learn from all series but one, and be judged on that one: what trees are worth to a new one.

    It is judged on the same part as otherwise, and of the others all before its end is learnt.
    """
    others = [each for each in series if each.name != name]
    graph = train(_learnt(others, keep_ratio), trained.settings, trained.more)
    errors = {
        each.name: errors_of(graph, each, learn_ratio, keep_ratio)
        for each in series
        if each.name == name
    }
    return TrainedTrees(graph, errors, trained.settings, trained.more)


def errors_of(graph: bytes, series: TrainingSeries, first_ratio: float, last_ratio: float) -> float:
    """Mean over the horizons of the median's MAE divided by that of the last value, on a part.

    The origins are those at which the network is judged: every fifth minute of the part that is no
    outage. NaN where there is none.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    expert = Boosting(onnxruntime.InferenceSession(graph, sess_options=options))
    origins = Origins(_known(series))
    rows = np.flatnonzero(np.isin(origins.indices, series.part(first_ratio, last_ratio)))
    if not len(rows):
        return float("nan")
    chunks = [rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE)]
    medians = np.concatenate([expert.medians(origins.view(chunk)) for chunk in chunks])
    actual = origins.targets[rows]
    last = np.broadcast_to(series.values[origins.indices[rows], None], actual.shape)
    return float(np.nanmean(relative_mae(actual, medians.astype(np.float64), last)))


def _learnt(series: Sequence[TrainingSeries], ratio: float) -> list[Series]:
    return [_known(each.until(ratio)) for each in series]


def _known(series: TrainingSeries) -> Series:
    return Series(series.name, series.first_minute, series.values, series.step_minutes)
