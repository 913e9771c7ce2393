"""Scores are what their definitions say, worked out here once more and slowly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.catalogue import Catalogue
from energy.power_curve import PowerCurve
from energy.regressor.features import curves_of, straight_lines
from energy.regressor.scores import (
    Score,
    as_json,
    mape_ratio,
    marginal_error_ratio,
    placement_regret_ratio,
    score,
)

SERVERS = list(Catalogue.shipped().servers.values())[::12]
MEASURED = curves_of(SERVERS)
LINES = straight_lines(MEASURED[:, [0, -1]])
CORES = np.array([server.cores for server in SERVERS], dtype=float)


def test_a_perfect_prediction_has_no_error_and_no_regret() -> None:
    """Zero everywhere, and R² one."""
    perfect = score(SERVERS, MEASURED, MEASURED)
    assert (perfect.mape_ratio_p90, perfect.marginal_error_ratio_median) == (0, 0)
    assert (perfect.placement_regret_ratio, perfect.r2, perfect.mae_watts) == (0, 1, 0)


def test_one_server_by_hand() -> None:
    """Ten watts too much at half load of 100 .. 200 W."""
    measured = np.arange(100.0, 201.0, 10.0)[None, :]
    predicted = measured.copy()
    predicted[0, 5] += 10
    assert mape_ratio(measured, predicted) == pytest.approx([10 / 150 / 11])
    # Two of ten slopes are off by ten watts, the mean slope is ten.
    assert marginal_error_ratio(measured, predicted) == pytest.approx([0.2])


def test_regret_is_that_of_the_slow_definition() -> None:
    """The same draws, one pod and one server at a time, on the curves themselves."""
    draws, seed = 25, 7
    fast = placement_regret_ratio(MEASURED, LINES, CORES, seed=seed, draws=draws)
    rng = np.random.default_rng(seed)
    lost = best = 0.0
    for _ in range(draws):
        chosen = rng.choice(len(SERVERS), 20, replace=False)
        loads = rng.uniform(0, 0.9, 20)
        for pod_cores in (1, 4):
            true_watts, seen_watts = [], []
            for place, load in zip(chosen, loads, strict=True):
                after = load + pod_cores / SERVERS[place].cores
                if after > 1:
                    continue
                true_curve = PowerCurve.from_load_levels(MEASURED[place])
                seen_curve = PowerCurve.from_load_levels(LINES[place])
                true_watts.append(true_curve.marginal_watts(load, after))
                seen_watts.append(seen_curve.marginal_watts(load, after))
            taken = int(np.argmin(seen_watts))
            lost += true_watts[taken] - min(true_watts)
            best += min(true_watts)
    assert fast == pytest.approx(lost / best)


def test_regret_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    """Draws are seeded."""
    ratios = [placement_regret_ratio(MEASURED, LINES, CORES, seed=seed) for seed in (1, 1, 2)]
    assert ratios[0] == ratios[1] != ratios[2]


@given(st.floats(0.1, 10))
def test_a_prediction_that_is_off_by_one_factor_everywhere_chooses_the_same(
    factor: float,
) -> None:
    """Only the order matters to a choice."""
    measured = MEASURED[:25]
    cores = CORES[:25]
    assert placement_regret_ratio(measured, measured * factor, cores, draws=20) == pytest.approx(0)


def test_without_servers_there_are_no_figures_and_one_server_is_no_choice() -> None:
    """Nulls, not zeros."""
    assert score([], np.empty((0, 11)), np.empty((0, 11))) == Score()
    assert placement_regret_ratio(MEASURED[:1], LINES[:1], CORES[:1]) is None


def test_json_holds_the_six_documented_figures() -> None:
    """What `negawatt energy evaluate --output json` prints for a model."""
    assert set(as_json({"m": Score()})["m"]) == {
        "mape_ratio_median",
        "mape_ratio_p90",
        "marginal_error_ratio_median",
        "placement_regret_ratio",
        "r2",
        "mae_watts",
    }
