"""Anomalies in the ledger and as gauges: each that is told begins and ends, and none outlives."""

from __future__ import annotations

import numpy as np
from forecaster_stage import START_MINUTE, WEB, Stage
from plain_engine import PlainEngine

from forecaster.anomalies import Anomalies
from forecaster.core import CoreOptions

CART = "shop/Deployment/cart"


def actions(records) -> list[str]:
    """Give what happened to anomalies."""
    found = [getattr(each, "action", "") for each in records]
    return [each for each in found if each.startswith("anomaly")]


def forecasts_of(values: dict[str, float], minute: int = START_MINUTE):
    """Let an engine that calls more than 100 an anomaly forecast."""
    engine = PlainEngine(anomalous_above=100)
    for key, value in values.items():
        engine.put(key, np.array([minute]), np.array([value]))
    return engine.forecast(minute)


def test_a_workload_that_vanishes_ends_its_anomaly(tmp_path):
    """In the ledger and as a gauge, once its newest sample is too old; also when all do."""
    stage = Stage(
        tmp_path,
        engine=PlainEngine(anomalous_above=100),
        core_options=CoreOptions(wait_seconds=0.0),
    )
    stage.minutes([10.0, 10.0, 500.0])
    assert stage.service.figures().gauges[0].anomalous is True

    stage.minutes([None] * 8)
    figures = stage.service.figures()
    assert figures.anomalous_keys == 0
    assert figures.gauges[0].anomalous is None
    assert actions(stage.records) == ["anomaly-start", "anomaly-end"]
    assert "too old" in stage.records[-1].reason


def test_the_ledger_is_told_of_so_many_anomalies_an_hour():
    """An end is told of those alone whose start was; the next hour has room again."""
    anomalies = Anomalies(starts_max=2)
    wild = {f"a/B/{place}": 500.0 for place in range(5)}
    assert actions(anomalies.turned(forecasts_of(wild))) == ["anomaly-start"] * 2
    assert (len(anomalies), anomalies.started_total, anomalies.left_out_total) == (5, 5, 3)

    later = Anomalies(starts_max=2)
    later.restore(anomalies.export(wild))
    calm = forecasts_of(dict.fromkeys(wild, 5.0), START_MINUTE + 1)
    assert actions(later.turned(calm)) == ["anomaly-end"] * 2
    assert actions(anomalies.turned(calm)) == ["anomaly-end"] * 2
    again = forecasts_of({WEB: 500.0, CART: 500.0}, START_MINUTE + 60)
    assert actions(anomalies.turned(again)) == ["anomaly-start"] * 2


def test_a_state_from_before_the_bound_is_taken():
    """It told the ledger of all."""
    anomalies = Anomalies()
    anomalies.restore({"keys": np.array([WEB]), "minutes": np.array([START_MINUTE - 5])})
    (record,) = anomalies.turned(forecasts_of({WEB: 5.0}))
    assert record.detail["duration_seconds"] == 300
