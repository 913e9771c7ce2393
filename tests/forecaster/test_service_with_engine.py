"""The service with the real engine and the shipped models."""

from __future__ import annotations

import math

import numpy as np
import pytest
from forecaster_stage import START_MINUTE, WEB, Stage

from forecaster.engine import Engine
from forecaster.model_set import ModelSet

KEYS = (WEB, "shop/Deployment/cart")


@pytest.fixture(scope="module")
def models():
    """Load the shipped models once."""
    return ModelSet.shipped()


def run(stage: Stage, minutes: range) -> dict[tuple[str, int], np.ndarray]:
    """Let minutes of two workloads pass, and give what was foreseen by workload and minute."""
    found = {}
    for minute in minutes:
        stage.clock.at_minute(minute)
        for place, key in enumerate(KEYS):
            wave = math.sin(minute / 40 + place) + 0.2 * math.sin(7.0 * minute)
            stage.send(50.0 * (place + 1) * (2 + wave), key=key)
        for each in stage.turn(2):
            rates = [horizon.requests_per_second for horizon in each.horizons]
            found[each.key, each.issued_at_milliseconds // 60_000] = np.array(rates)
    return found


def test_a_restart_changes_no_forecast_of_the_engine(tmp_path, models):
    """Weights, intervals, open forecasts and learners are all in the state."""
    minutes = range(START_MINUTE + 1, START_MINUTE + 76)
    whole = Stage(tmp_path / "whole", engine=Engine(models))
    expected = run(whole, minutes)

    first = Stage(tmp_path / "parts", engine=Engine(models))
    found = run(first, minutes[:47])
    first.service.close()
    second = Stage(
        tmp_path / "parts", engine=Engine(models), stream=first.stream, clock=first.clock
    )
    found |= run(second, minutes[47:])

    assert set(found) == set(expected)
    assert len(found) == 2 * 66  # from the tenth minute on
    for name, rates in expected.items():
        np.testing.assert_array_equal(found[name], rates)
    assert second.core.errors.of(WEB) == whole.core.errors.of(WEB)
    assert second.core.errors.of(WEB).scored_count > 0


def test_a_workload_tells_all_about_itself(tmp_path, models):
    """Members, weights that sum to 1, a reason, and no NaN on the wire."""
    stage = Stage(tmp_path, engine=Engine(models))
    run(stage, range(START_MINUTE + 1, START_MINUTE + 9))
    assert stage.service.workload(WEB).state == "warming up"
    assert "minutes" in stage.service.workload(WEB).reason

    run(stage, range(START_MINUTE + 9, START_MINUTE + 40))
    found = stage.service.workload(WEB)
    assert found.state == "ready"
    assert {"lstm", "last-value", "ets"} <= {member.model for member in found.members}
    for horizon in range(6):
        weights = [member.weights[horizon] for member in found.members]
        assert sum(weights) == pytest.approx(1.0, abs=1e-5)
    assert "NaN" not in found.model_dump_json()
    assert {"mixture", "lstm", "last-value"} <= set(stage.service.figures().errors)
