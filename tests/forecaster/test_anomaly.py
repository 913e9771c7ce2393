"""What is out of the ordinary, from its start to its end."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.anomaly import AnomalyDetector, Seen, deviations
from forecaster.history import NEVER

START = 29_000_000
BAND = np.array([[80, 87.2, 100, 112.8, 120]], np.float32)  # a standard deviation of 10
SCALE = np.ones(1, np.float32)
NONE = np.full((1, 5), np.nan, np.float32)


def watch(values: list[float], *, scored: int = 100, foreseen: list[float] | None = None) -> list:
    """Return step by step whether traffic counts as anomalous; 100 was foreseen all along."""
    detector = AnomalyDetector()
    state = detector.fresh(1) | {"scored": np.array([scored], np.int32)}
    found = []
    for step, value in enumerate(values):
        minute = START + 5 * step
        now = np.array([value], np.float32)
        age = minute - int(detector.clean_origin(state)[0])
        before = BAND if 5 <= age <= 30 else NONE
        # After it has begun, the forecaster follows: what it says then is no measure.
        expected = BAND if foreseen is None else BAND - 100 + np.float32(foreseen[step])
        state = detector.step(state, minute, Seen(now, now, expected, before, SCALE))
        found.append(bool(state["onset"][0] != NEVER))
    return found


def test_a_spike_is_an_anomaly_until_it_is_over() -> None:
    """From its first step to the first that is as foreseen before it began."""
    follows = [100, 100, 100, 400, 400, 100, 100]

    assert watch([100, 105, 400, 400, 105, 98, 100], foreseen=follows) == [
        *(False, False, True, True),
        *(False, False, False),
    ]


def test_a_level_shift_is_accepted_after_half_an_hour() -> None:
    """What lasts is the new ordinary; it is not an anomaly for ever, and does not start anew."""
    values = [100.0] + [300.0] * 12

    found = watch(values, foreseen=[100, 100] + [300] * 11)

    assert found == [False] + [True] * 6 + [False] * 6


@pytest.mark.parametrize("value", [100, 130, 70, 155, 45])
def test_ordinary_noise_is_none(value: float) -> None:
    """Up to 5.5 standard deviations nothing is said."""
    assert not any(watch([value] * 5))


def test_a_dip_is_one_too() -> None:
    """Traffic that vanishes is as strange as a burst."""
    assert watch([100, 20])[-1]


def test_nothing_is_strange_to_who_has_seen_little() -> None:
    """Intervals that were never scored are no measure."""
    assert not any(watch([100, 400], scored=0))


def test_an_outage_starts_and_ends_nothing() -> None:
    """No sample says neither that it goes on nor that it is over."""
    nan = float("nan")

    assert watch([100, 400, nan, 400, 100], foreseen=[100, 100, 400, 400, 400]) == [
        *(False, True, True, True, False)
    ]


def test_deviations_are_those_of_a_normal_distribution() -> None:
    """The 80 % interval stands for 2.563 standard deviations."""
    assert deviations(np.array([130], np.float32), BAND, SCALE) == pytest.approx(3.0, rel=0.01)


def test_the_first_request_of_an_idle_service_is_none() -> None:
    """Counting noise: one request a minute beside none, however sure the forecast was."""
    sure = np.zeros((1, 5), np.float32)
    still = np.zeros(1, np.float32)

    assert deviations(np.array([1 / 60], np.float32), sure, still) < 1
    assert deviations(np.array([5.0], np.float32), sure, still) > 6


def test_a_series_that_usually_moves_may_move() -> None:
    """Half of the usual change in ten minutes is the least that a deviation can be."""
    narrow = np.array([[99, 99.5, 100, 100.5, 101]], np.float32)

    assert deviations(np.array([150], np.float32), narrow, SCALE * 40) == pytest.approx(2.5)
