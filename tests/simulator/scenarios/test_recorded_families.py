"""Families that need a file of pods: half of it per seed, its own lifetimes, the standard burst."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from energy.catalogue import Catalogue
from simulator.fleet import named_fleet
from simulator.pod_file import PodFile, PodRecord, read_pods
from simulator.policy import Setting
from simulator.rank_grid import RankTask
from simulator.rank_runs import run_task
from simulator.scenarios.families import ScenarioKey, build_scenario
from simulator.scenarios.scenario import standing_load_ratio
from simulator.standard import COLUMNS
from simulator.standard_comparison import compare_standard

PODS = Path(__file__).parents[4] / "shared/data/alibaba-openb-2023/openb_pod_list_default.csv"
KEY = ScenarioKey(family="churn-recorded", fleet="20/30/10", load_ratio=0.4)


@pytest.fixture(scope="module")
def file():
    """Two thousand pods of a few sizes over ten days; every hundredth is larger than any node."""
    rng = np.random.default_rng(7)
    records = tuple(
        PodRecord(
            name=f"pod-{number}",
            cpu_millicores=500_000 if number % 100 == 0 else int(rng.choice([2000, 8000, 16000])),
            memory_mebibytes=int(rng.choice([4096, 16384])),
            arrival_seconds=float(arrival),
            lifetime_seconds=float(rng.exponential(7200.0)) + 60.0,
        )
        for number, arrival in enumerate(np.sort(rng.random(2000)) * 864_000)
    )
    return PodFile(records=records, is_openb=True)


def test_each_seed_draws_another_half(file):
    """Half of the pods that fit a node; the same half for the same seed."""
    streams = [build_scenario(KEY, seed, file).stream for seed in (1, 1, 2)]
    names = [{pod.name.removesuffix("-standing") for pod in stream.pods} for stream in streams]
    fitting = {one.name for one in file.records if one.cpu_millicores < 500_000}

    assert names[0] == names[1] != names[2]
    assert names[0] < fitting
    # The pods of openb's long lead are left out by the window.
    assert len(names[0]) == pytest.approx(len(fitting) / 2, rel=0.03)


def test_the_recorded_load_is_the_stated_one_and_lifetimes_are_the_file_s(file):
    """Over the counted time about; lifetimes stay, only the time between arrivals is scaled.

    Pods that came before the window are there for the rest of theirs.
    """
    scenario = build_scenario(KEY, 1, file)
    lifetimes = {one.name: one.lifetime_seconds for one in file.records}
    kept = [
        life / lifetimes[pod.name]
        for pod, life in zip(scenario.stream.pods, scenario.stream.lifetime_seconds, strict=True)
        if pod.name in lifetimes
    ]

    assert standing_load_ratio(scenario) == pytest.approx(0.4, rel=0.1)
    assert 0 < scenario.start_seconds <= scenario.end_seconds / 3
    assert max(kept) < 1.0 + 1e-9
    assert np.quantile(kept, 0.05) == pytest.approx(1.0)
    assert len(kept) > 500


@pytest.mark.shared
def test_the_standard_burst_is_that_of_the_standard_scenario():
    """Ratios to the bound are those of `--scenario standard`, column by column."""
    settings = tuple(
        Setting(usage_ratio=column.usage_ratio, nodes_may_sleep=column.nodes_may_sleep)
        for column in COLUMNS
    )
    key = ScenarioKey(family="standard", fleet="20/30/10", load_ratio=0.4)
    policies = ("efficiency-order", "fill-cost")
    task = RankTask(key=key, seed=2, settings=settings, policies=policies, pods=PODS)
    ratios = {
        (one.policy, one.setting): one.energy_joules / one.own_bound_joules
        for one in run_task(task)
    }
    fleet = named_fleet("20/30/10", Catalogue.shipped())
    standard = compare_standard(
        read_pods(PODS).records, fleet, policies, 2, clock=lambda: 0.0
    ).policies

    for name in policies:
        for column, setting in zip(COLUMNS, settings, strict=True):
            expected = standard[name].bound_ratio[column.name]
            assert ratios[name, setting] == pytest.approx(expected)
