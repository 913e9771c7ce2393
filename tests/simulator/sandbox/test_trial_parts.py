"""What a trial tells a scheduler and an extender, and how it grades what comes of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scheduler_files

from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.power_profile import read_power_profiles
from extender.expected_demand import read_expected_demand
from extender.settings import read_settings
from simulator.chooser import NOWHERE
from simulator.engine import run
from simulator.fleet import named_fleet
from simulator.policies import POLICIES
from simulator.sandbox.trial import Trial
from simulator.sandbox.trial_arms import (
    SchedulerConfiguration,
    plain_configuration,
    with_extender,
    without_extender,
)
from simulator.sandbox.trial_extender import negawatt_environment
from simulator.sandbox.trial_grades import nodes_used, placement_watts, setting_of
from simulator.sandbox.trial_objects import (
    node_manifest,
    pod_manifest,
    write_expected_demand,
    write_power_profiles,
)
from simulator.sandbox.trial_pods import shipped_pods
from simulator.standard import COLUMNS
from simulator.standard_comparison import final_watts
from simulator.stream import burst


@pytest.fixture(scope="module")
def fleet():
    """Give the standard fleet."""
    return named_fleet("20/30/10", Catalogue.shipped())


def test_pods_request_forty_percent_of_the_cores(fleet):
    """As the standard benchmark's do, whatever their number."""
    pods = shipped_pods(fleet, 300, seed=3)
    cores = sum(pod.requests.cpu_millicores for pod in pods) / 1000

    assert cores == pytest.approx(0.4 * fleet.cpu_cores.sum(), rel=0.01)
    assert pods == shipped_pods(fleet, 300, seed=3)
    assert pods != shipped_pods(fleet, 300, seed=4)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_a_placement_is_graded_as_in_simulations(fleet, column):
    """The same watts and nodes as the comparison of policies finds."""
    pods, setting = shipped_pods(fleet, 200, seed=1), setting_of(column)
    chooser = POLICIES["default"].build(fleet, setting, 1)
    clock = itertools.count().__next__
    record = run(fleet.nodes, burst(pods), chooser, end_seconds=0.0, clock=clock)

    watts = placement_watts(fleet, pods, record.node_of_pod, setting)
    used = nodes_used(record.node_of_pod)
    assert (pytest.approx(watts), used) == final_watts(record, fleet, setting)


def test_the_written_power_profiles_are_the_fleets(fleet, tmp_path):
    """Read back and matched by the nodes' own labels, every curve is the one that is graded by."""
    file = tmp_path / "profiles.yaml"
    write_power_profiles(file, fleet)
    profiles = read_power_profiles(file)

    for node, known in zip(fleet.nodes, fleet.profiles, strict=True):
        labels = node_manifest(node, known)["metadata"]["labels"]
        (matching,) = [profile for profile in profiles if profile.matches(labels)]
        found = matching.node_profile()
        assert found.curve.watts == pytest.approx(known.curve.watts)
        assert found.sleep_watts == known.sleep_watts


def test_expected_demand_is_read_as_it_was_written(fleet, tmp_path):
    """The mix and the total survive the file."""
    pods = shipped_pods(fleet, 100, seed=2)
    write_expected_demand(tmp_path / "demand.csv", pods)
    demand = read_expected_demand(tmp_path / "demand.csv")

    cores = sum(pod.requests.cpu_millicores for pod in pods) / 1000
    assert demand.counts.sum() == 100
    assert (demand.counts * demand.shapes.cpu_cores).sum() == pytest.approx(cores)


def test_our_extender_understands_what_it_is_told(tmp_path):
    """Every variable is a setting, with the column's values."""
    column = COLUMNS[3]
    told = negawatt_environment(
        kubeconfig=tmp_path / "kubeconfig",
        power_profiles=tmp_path / "profiles.yaml",
        setting=setting_of(column),
        scheduler_name="negawatt",
        expected_demand=tmp_path / "demand.csv",
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            patch.setenv(name, value)
        settings = read_settings(environ=told)

    assert settings.mode == "act"
    assert settings.usage_ratio == 0.5
    assert settings.nodes_may_sleep
    assert settings.scheduler_names == ("negawatt",)


def test_only_the_extenders_address_differs_from_what_ships():
    """A trial measures the shipped configuration."""
    shipped = scheduler_files.shipped()
    told = with_extender(shipped, "http://127.0.0.1:1")

    assert told["extenders"][0].pop("urlPrefix") == "http://127.0.0.1:1/scheduler"
    assert shipped["extenders"][0].pop("urlPrefix")
    assert told == shipped
    assert without_extender(shipped) == {
        name: value for name, value in shipped.items() if name != "extenders"
    }
    with pytest.raises(InputError, match="0 extenders"):
        with_extender(plain_configuration(), "http://127.0.0.1:1")


def test_pods_name_the_profile_that_is_to_take_them(fleet):
    """Or another scheduler's trial would be measured."""
    shipped = SchedulerConfiguration.of(scheduler_files.shipped())
    (pod,) = shipped_pods(fleet, 1, seed=1)

    spec = pod_manifest(pod, shipped.scheduler_name, "trial")["spec"]
    assert spec["schedulerName"] == "negawatt"
    assert SchedulerConfiguration.of(plain_configuration()).scheduler_name == "default-scheduler"


def test_throughput_leaves_out_both_ends():
    """Eleven pods a second apart, the first and the last late: one pod a second."""
    seconds = np.arange(11, dtype=np.float64)
    seconds[0], seconds[-1] = -50.0, 100.0
    trial = Trial(
        node_of_pod=np.array([*range(10), NOWHERE]),
        bound_seconds=seconds,
        algorithm_seconds=1.0,
        decisions=11,
        slow_decisions=0,
        scheduler_cpu_seconds=1.0,
        extender_cpu_seconds=0.0,
    )

    assert trial.pods_per_second == pytest.approx(1.0)
    assert trial.unscheduled_pods == 1
