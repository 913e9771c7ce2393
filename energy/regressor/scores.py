"""How good predicted curves are: errors in watts, errors at the margin, and what they cost.

All functions take measured and predicted watts at eleven load levels: arrays (servers, 11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energy.servers import CatalogueServer

Matrix = NDArray[np.float64]

DRAWS: Final = 1000
SERVERS_PER_DRAW: Final = 20
HIGHEST_LOAD_RATIO: Final = 0.9
POD_CORES: Final = (1.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One model on one set of servers; None where there is nothing to score."""

    mape_ratio_median: float | None = None
    mape_ratio_p90: float | None = None
    marginal_error_ratio_median: float | None = None
    placement_regret_ratio: float | None = None
    r2: float | None = None
    mae_watts: float | None = None
    mse_square_watts: float | None = None


def score(
    servers: Sequence[CatalogueServer], measured: Matrix, predicted: Matrix, *, seed: int = 0
) -> Score:
    """All figures of one model; `servers` only say how many cores each curve belongs to."""
    if not servers:
        return Score()
    mape = mape_ratio(measured, predicted)
    cores = np.array([server.cores for server in servers], dtype=np.float64)
    errors = predicted - measured
    spread = float(((measured - measured.mean()) ** 2).sum())
    return Score(
        mape_ratio_median=float(np.median(mape)),
        mape_ratio_p90=float(np.quantile(mape, 0.9)),
        marginal_error_ratio_median=float(np.median(marginal_error_ratio(measured, predicted))),
        placement_regret_ratio=placement_regret_ratio(measured, predicted, cores, seed=seed),
        r2=1 - float((errors**2).sum()) / spread if spread > 0 else None,
        mae_watts=float(np.abs(errors).mean()),
        mse_square_watts=float((errors**2).mean()),
    )


def mape_ratio(measured: Matrix, predicted: Matrix) -> Matrix:
    """Mean absolute error over the eleven points, relative to each: (servers,)."""
    return np.asarray((np.abs(predicted - measured) / measured).mean(axis=1))


def marginal_error_ratio(measured: Matrix, predicted: Matrix) -> Matrix:
    """Mean absolute error of the ten decile slopes over the mean measured slope: (servers,)."""
    errors = np.abs(np.diff(predicted, axis=1) - np.diff(measured, axis=1)).mean(axis=1)
    return np.asarray(errors / ((measured[:, -1] - measured[:, 0]) / 10))


def placement_regret_ratio(
    measured: Matrix,
    predicted: Matrix,
    cores: Matrix,
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> float | None:
    """Watts lost by placing pods where the prediction is least, over the watts of the best places.

    Each draw takes 20 servers (all, if fewer) at loads uniform in 0 - 0.9 and places one pod of
    one core and one of four, among the servers where it fits. None where no choice is left.
    """
    if len(measured) < 2:  # noqa: PLR2004 - a choice is between two
        return None
    rng = np.random.default_rng(seed)
    lost = best = 0.0
    for _ in range(draws):
        chosen = rng.choice(len(measured), min(SERVERS_PER_DRAW, len(measured)), replace=False)
        loads = rng.uniform(0, HIGHEST_LOAD_RATIO, len(chosen))
        for pod_cores in POD_CORES:
            after = loads + pod_cores / cores[chosen]
            fits = after <= 1
            if not fits.any():
                continue
            where = chosen[fits], loads[fits], after[fits]
            true_watts, seen_watts = _added(measured, *where), _added(predicted, *where)
            lost += float(true_watts[np.argmin(seen_watts)] - true_watts.min())
            best += float(true_watts.min())
    return lost / best if best > 0 else None


def as_json(scores: Mapping[str, Score]) -> dict[str, dict[str, float | None]]:
    """Return the figures that `negawatt energy evaluate` prints for each model."""
    return {
        name: {
            "mape_ratio_median": each.mape_ratio_median,
            "mape_ratio_p90": each.mape_ratio_p90,
            "marginal_error_ratio_median": each.marginal_error_ratio_median,
            "placement_regret_ratio": each.placement_regret_ratio,
            "r2": each.r2,
            "mae_watts": each.mae_watts,
        }
        for name, each in scores.items()
    }


def _added(
    curves: Matrix, rows: NDArray[np.int64], before: Matrix, after: Matrix
) -> NDArray[np.float64]:
    return _watts(curves, rows, after) - _watts(curves, rows, before)


def _watts(curves: Matrix, rows: NDArray[np.int64], loads: Matrix) -> NDArray[np.float64]:
    position = loads * 10
    left = np.minimum(position.astype(np.int64), 9)
    share = position - left
    return np.asarray(curves[rows, left] * (1 - share) + curves[rows, left + 1] * share)
