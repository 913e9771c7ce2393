"""New, late and repeated minutes, before they become a history."""

from __future__ import annotations

import numpy as np

from forecaster.arrivals import credible
from forecaster.history import RING_MINUTES, History, HistoryView

DAYS = np.arange(8 * 1440)


class Watched(History):
    """Counts how often it was looked at."""

    views = 0

    def view(self, rows: np.ndarray, minute: int) -> HistoryView:
        """Count."""
        self.views += 1
        return super().view(rows, minute)


def put(history: History, minutes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Put as the engine does; return what became of the values."""
    rates, newest_is_cut = credible(history, 0, minutes, values)
    if newest_is_cut:
        history.put(0, int(history.newest_minute[0]), float("nan"))
    history.put_block(0, minutes, rates)
    return rates


def test_days_that_come_again_cost_a_few_looks() -> None:
    """As at every restart in memory mode: of most minutes nothing is kept that could judge them."""
    history = Watched(1)
    values = np.random.default_rng(1).poisson(0.4, len(DAYS)).astype(float)
    assert (values == 0).sum() > 10 * RING_MINUTES
    put(history, DAYS, values)
    history.views = 0

    again = put(history, DAYS, values)

    assert history.views <= RING_MINUTES
    np.testing.assert_array_equal(again, values)


def test_zeros_of_an_outage_that_come_again_stay_one_when_the_series_is_switched_off() -> None:
    """Only zeros that follow zeros are traffic for that alone."""
    history = History(1)
    values = 3000 + np.random.default_rng(1).normal(0, 30, 240)
    values[100:105] = 0
    values[140:] = 0
    for minute, value in enumerate(values):
        put(history, np.array([minute]), np.array([value]))
    assert history.newest_value(0) == 0

    assert np.isnan(put(history, np.arange(100, 105), np.zeros(5))).all()


def test_a_series_that_is_switched_off_is_not_looked_at() -> None:
    """Zeros that go on are traffic."""
    history = Watched(1)
    put(history, DAYS[:200], np.zeros(200))
    history.views = 0

    rates = put(history, DAYS[200:203], np.zeros(3))

    assert (rates == 0).all()
    assert history.views == 0
