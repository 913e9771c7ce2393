"""Which cells the rank suite has: all families, no cell twice, the label everywhere."""

from __future__ import annotations

from pathlib import Path

from simulator.policies import LABEL, POLICIES
from simulator.rank_grid import ALL_SETTINGS, ablation_policies, parts, sparse_settings
from simulator.rank_policies import ABLATIONS, RANKED_POLICIES, SLOW_POLICIES, runs_in
from simulator.rank_suite import RankSuite
from simulator.repacking import REPACK
from simulator.scenarios.families import FAMILIES, RECORDED_FAMILIES, SITUATIONS

FILE = Path("pods.csv")


def rank_tasks(policies, seeds, pods):
    """The suite's work."""
    return RankSuite(policies=tuple(policies), seeds=tuple(seeds), pods=pods).tasks()


def test_every_family_is_in_the_grid_and_belongs_to_one_situation():
    """None is left out of the table or of its summary."""
    in_grid = {family for part in parts(recorded=True) for family in part.families}
    summed = [family for families in SITUATIONS.values() for family in families]

    assert in_grid == set(FAMILIES)
    assert sorted(summed) == sorted(FAMILIES)


def test_no_cell_is_asked_for_twice():
    """A scenario has one task per seed, and each of its settings once."""
    work = rank_tasks(RANKED_POLICIES, [1, 2], FILE)

    assert len({(task.key, task.seed) for task in work}) == len(work)
    assert all(len(set(task.settings)) == len(task.settings) for task in work)


def test_without_a_file_only_its_families_are_missing():
    """The rest of the grid stays as it is."""
    with_file, without = (
        {task.key for task in rank_tasks(RANKED_POLICIES, [1], pods)} for pods in (FILE, None)
    )

    assert {key.family for key in with_file - without} == set(RECORDED_FAMILIES)
    assert without < with_file


def test_label_and_re_packing_are_always_run_once():
    """All ratios are to it, whether it was asked for or not."""
    for policies in (["fill-cost"], [LABEL, "fill-cost"], list(RANKED_POLICIES)):
        for task in rank_tasks(policies, [1], None):
            for setting in task.settings:
                assert task.policies_at(setting).count(LABEL) == 1
                assert task.policies_at(setting).count(REPACK) == 1


def test_a_policy_runs_in_its_families_and_slow_ones_in_fewer_settings():
    """All of them in every setting of the standard burst that has a use for them."""
    work = rank_tasks([*RANKED_POLICIES, *SLOW_POLICIES], [1], FILE)
    for task in work:
        ablated = ablation_policies(task.key)
        for name in {*RANKED_POLICIES, *SLOW_POLICIES} - {*ablated}:
            settings = sparse_settings(task.key, task.settings)
            expected = settings if name in SLOW_POLICIES else task.settings
            if not runs_in(name, task.key.family):
                expected = ()
            assert expected == tuple(
                setting for setting in task.settings if name in task.policies_at(setting)
            )
        if task.key.family == "standard":
            assert task.sparse_settings == task.settings
        elif task.settings == ALL_SETTINGS:
            assert len(task.sparse_settings) <= 2


def test_ranked_policies_and_variants_exist():
    """The suite's own lists name policies that can be built."""
    for name in (*RANKED_POLICIES, *(one.policy for one in ABLATIONS)):
        assert POLICIES[name].name == name
    assert all(set(one.families) <= set(FAMILIES) for one in ABLATIONS)
