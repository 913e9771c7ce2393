"""From replays to the document, with a stand-in for the engine."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from naive_engine import NaiveEngine, new_naive_engine

from console.forecast_markdown import markdown
from console.forecast_tables import caption, figure, relative_rows
from console.output import json_text
from energy.errors import InputError
from forecaster.evaluation.judgement import judge
from forecaster.evaluation.replay import replay
from forecaster.evaluation.report import document
from forecaster.evaluation.run import Plan, evaluate, parse_horizons
from forecaster.evaluation.traces import Trace
from forecaster.horizons import HORIZONS_MINUTES

SCORES = {
    "relative_mae_ratio", "mae", "mse", "wape_ratio",
    "pinball", "coverage_80_ratio", "coverage_95_ratio", "interval_score_ratio", "answered_ratio",
}  # fmt: skip
MADE_WITH = {
    "commit": "c", "model": {"id": "m"}, "horizons_minutes": [5], "zero_shot": False,
}  # fmt: skip


def trace_of(name: str, minutes: int = 4000, seed: int = 1) -> Trace:
    """Three days of a daily wave with noise and a surge."""
    wave = 1000 + 500 * np.sin(np.arange(minutes) * 2 * np.pi / 1440)
    values = wave + np.random.default_rng(seed).normal(0, 20, minutes)
    values[3600:3610] *= 2
    return Trace(name, 1, 25_000_001, values)


NOTE = "2 rows have the time of another: the last counts"


@pytest.fixture(scope="module")
def judged():
    """One series, of whose file two rows had to be left out."""
    trace = replace(trace_of("shop"), notes=(NOTE,))
    return judge(replay(trace, NaiveEngine()), HORIZONS_MINUTES)


def test_the_document_is_what_was_promised(judged):
    """Every key of the contract, with figures."""
    found = json.loads(json_text(document([judged], made_with={"commit": "c"})))
    assert found["served"] == "mixture"
    shop = found["series"]["shop"]
    assert set(shop["models"]) == {"mixture", "last-value", "seasonal-naive", "yesterday"}
    for scores in shop["models"].values():
        assert set(scores) >= SCORES
        assert all(isinstance(scores[name], float) for name in SCORES)
    assert shop["surges"] == 1
    assert shop["surges_seen_ratio"] == 0
    assert shop["false_alarms_per_day"] >= 0
    assert set(found["geomean"]) == set(shop["models"])
    assert found["geomean"]["mixture"] == {
        "relative_mae_ratio": pytest.approx(shop["models"]["mixture"]["relative_mae_ratio"]),
        "series": 1,
        "infinite_series": [],
        "answered_ratio": 1.0,
    }


def test_what_had_to_be_done_to_a_file_stays_with_its_figures(judged):
    """In the document, below tables and on pages."""
    found = document([judged], made_with=MADE_WITH)
    assert found["series"]["shop"]["notes"] == [NOTE]
    assert f"shop: {NOTE}." in caption(found)
    assert f"\n\nshop: {NOTE}.\n\n" in markdown(found, "negawatt forecaster evaluate")


def test_the_last_value_is_one_and_yesterday_one_against_itself(judged):
    """The two forecasts that everything is measured against."""
    assert judged.scores["last-value"].relative_mae_ratio == 1.0
    assert judged.scores["mixture"].relative_mae_ratio == pytest.approx(1.0, abs=1e-12)
    naive = judged.scores["seasonal-naive"]
    # Its quantiles are renewed each hour, those of the reference at every origin.
    assert naive.interval_score_ratio == pytest.approx(1.0, abs=0.02)
    assert naive.coverage_80_ratio == pytest.approx(0.8, abs=0.06)


def test_what_figures_rest_on_is_counted(judged):
    """Every judged origin has six targets but at the end."""
    assert judged.origins == len(range(2800, 4000 - 5, 5))
    assert judged.targets == 6 * judged.origins - (1 + 2 + 3 + 4 + 5)
    assert {scores.answered_ratio for scores in judged.scores.values()} == {1.0}
    assert judged.outage_minutes == 0


def test_members_that_are_silent_and_ratios_that_are_infinite_are_said_everywhere():
    """A series that stands still: yesterday errs where the last value cannot; a day is missing."""
    still = np.full(4000, 100.0)
    still[:1440] = 90.0
    still[1440:1840] = np.nan
    # Of the last 30 % (from 2800) the part to 3280 has no yesterday.
    found = document(
        [
            judge(replay(Trace("still", 1, 25_000_001, still), NaiveEngine()), HORIZONS_MINUTES),
            judge(replay(trace_of("shop"), NaiveEngine()), HORIZONS_MINUTES),
        ],
        made_with={"commit": "c", "horizons_minutes": [5], "model": {"id": "m"}},
    )
    still_said = found["series"]["still"]["models"]["yesterday"]
    mean = found["geomean"]["yesterday"]
    assert 0 < still_said["answered_ratio"] < 1
    assert still_said["infinite"] == ["relative_mae_ratio"]
    assert json.loads(json_text(still_said))["relative_mae_ratio"] is None
    assert (mean["series"], mean["infinite_series"]) == (2, ("still",))
    assert mean["answered_ratio"] == pytest.approx((still_said["answered_ratio"] + 1) / 2)
    # Both are exact: no ratio, and a mean that rests on one series alone says so.
    assert (found["geomean"]["mixture"]["series"], still_said["relative_mae_ratio"]) == (1, np.inf)
    rows = {row[0]: row[1:] for row in relative_rows(found)}
    shop_said = figure(found["series"]["shop"]["models"]["yesterday"]["relative_mae_ratio"])
    assert rows["yesterday"] == ["∞ (66 %)", shop_said, "∞", "2", "83 %"]
    assert rows["last-value"][:2] == ["–", "1.000"]
    assert any("yesterday on still" in line for line in caption(found))
    assert any(line.startswith("In brackets") for line in caption(found))


def test_a_stress_case_is_reported_and_left_out_of_means(judged):
    """Its scores stay visible."""
    found = document([judged], {"shop"})
    assert found["series"]["shop"]["is_stress"]
    assert found["geomean"] == {}
    assert found["pooled"]["mixture"]["targets"] == 0


def test_processes_give_what_one_gives():
    """In the order of the traces."""
    traces = [trace_of("shop", 900), trace_of("cart", 1500, seed=2)]
    alone: list[int] = []
    one = evaluate(traces, Plan(), new_naive_engine, advance=alone.append)
    done: list[int] = []
    two = evaluate(traces, Plan(), new_naive_engine, jobs=2, advance=done.append)
    assert [each.name for each in two] == ["shop", "cart"]
    assert [str(each.scores) for each in two] == [str(each.scores) for each in one]
    assert sum(done) == sum(alone) > 0


def test_horizons_are_those_that_are_forecast():
    """Any of them, in order."""
    assert parse_horizons("30, 5,10") == (5, 10, 30)
    for text in ("", "7", "5,x", "-5", "5;10"):
        with pytest.raises(InputError, match=r"--horizons.*use minutes out of 5,10,15,20,25,30"):
            parse_horizons(text)


def test_fewer_horizons_and_models_are_scored():
    """The served one and the last value are always there."""
    found = judge(replay(trace_of("shop", 900), NaiveEngine()), (10,), ["yesterday"])
    assert set(found.scores) == {"mixture", "last-value", "yesterday"}
    assert found.relative_mae_by_horizon["mixture"].shape == (1,)
    with pytest.raises(InputError, match="there is no model 'arma'"):
        judge(replay(trace_of("shop", 900), NaiveEngine()), (10,), ["arma"])


def test_zero_shot_takes_the_folder_without_the_series(tmp_path):
    """Or says which is missing."""
    (tmp_path / "without-shop").mkdir()
    plan = Plan(models_folder=tmp_path, zero_shot=True)
    assert plan.folder_of("shop") == tmp_path / "without-shop"
    with pytest.raises(InputError, match="there are no models without cart"):
        plan.folder_of("cart")
    with pytest.raises(InputError, match="--models-folder"):
        Plan(zero_shot=True).folder_of("shop")


def test_a_last_third_that_is_an_outage_is_refused():
    """Zeros that no traffic explains, to the end: one line."""
    values = trace_of("shop", 260).values
    values[180:] = 0
    with pytest.raises(InputError, match="hold no value to judge by"):
        judge(replay(Trace("shop", 1, 25_000_001, values), NaiveEngine()), (5,))
