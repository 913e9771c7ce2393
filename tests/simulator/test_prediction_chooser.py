"""The paper's service in the loop chooses as its API answers, and its models are compared."""

from __future__ import annotations

import numpy as np
import pytest
from small_fleets import NEW, OLD, fleet_of

from cluster.model import Pod, Resources
from cluster.scheduling.table import NodeTable
from energy.catalogue import Catalogue
from extender.prediction.models import Costs
from extender.prediction.predictor import predict
from extender.prediction.request import FOREST, REGRESSOR, Asked, Given, GivenServer
from simulator.chooser import NOWHERE
from simulator.fleet import named_fleet
from simulator.paper_scenario import Agreement, agreement, shipped_tasks
from simulator.policies import POLICIES
from simulator.policy import Setting
from simulator.prediction_chooser import ForestChooser
from simulator.standard import standard_burst

pytest.importorskip("onnxruntime", reason="the extra `regressor` is not installed")

SETTING = Setting(usage_ratio=0.5, nodes_may_sleep=False)
GIBIBYTE = 1024**3


class _Alike:
    """A model that prices all servers alike."""

    name = FOREST

    def costs(self, servers, task_cores):
        """A watt everywhere."""
        return Costs(watts=np.ones(len(servers)), clamped={})


def pod(name, millicores):
    """A pod without memory, so that the CPU alone decides."""
    return Pod(name=name, namespace="shop", requests=Resources(cpu_millicores=millicores))


@pytest.mark.parametrize(
    ("policy", "model"), [("predict-regressor", REGRESSOR), ("predict-forest", FOREST)]
)
def test_each_task_goes_where_the_service_says(policy, model):
    """On servers that are busy by half of what was placed there."""
    fleet = fleet_of((2, 32, 128, OLD), (2, 64, 256, NEW))
    table = NodeTable(fleet.nodes)
    chooser = POLICIES[policy].build(fleet, SETTING, 1)
    for number in range(12):
        task = pod(f"task-{number}", 700 * (1 + number % 4))
        servers = [
            GivenServer(
                id=node.name,
                cpus=float(fleet.cpu_cores[row]),
                memory=node.allocatable.memory_bytes / GIBIBYTE,
                energy_rate=fleet.profiles[row].peak_watts / float(fleet.cpu_cores[row]),
                cpu_usage=float(
                    50 * table.requested_cpu_millicores[row] / table.allocatable_cpu_millicores[row]
                ),
            )
            for row, node in enumerate(fleet.nodes)
        ]
        task_load = task.requests.cpu_millicores / 10 * SETTING.usage_ratio
        asked = Asked(task_load_percent=task_load, servers=Given.of(servers), model=model)
        best = predict(asked, None).ranked.best

        chosen = chooser.choose(table, task, 0.0)

        assert chosen == best
        table.assign(task, chosen)


def test_of_servers_alike_the_first_named_is_taken_as_the_service_does():
    """Not the fullest, which no answer of the service prefers: the forest is flat in steps."""
    fleet = fleet_of((3, 32, 128, OLD))
    table = NodeTable(fleet.nodes)
    chooser = ForestChooser(fleet, SETTING, _Alike())
    table.assign(pod("before", 700), 2)

    assert chooser.choose(table, pod("task", 700), 0.0) == 0
    assert chooser.choose(table, pod("too-large", 33_000), 0.0) == NOWHERE


def test_both_models_are_asked_about_the_same_tasks():
    """Every task of the burst, and those that choose the same server choose the same type."""
    fleet = named_fleet("20/30/10", Catalogue.shipped())
    stream = standard_burst(shipped_tasks(), fleet, 1)

    found = agreement(stream, fleet, clock=lambda: 0.0)

    assert found.tasks == len(stream.pods)
    assert 0 <= found.same_server <= found.same_class <= found.tasks
    assert found.same_class > found.tasks / 2


def test_the_memory_of_a_node_is_what_the_table_says_of_its_server():
    """The models hear the figure that they were trained on."""
    catalogue = Catalogue.shipped()
    fleet = named_fleet("20/30/10", catalogue)

    memory = set(ForestChooser(fleet, SETTING, _Alike()).empty.memory_gigabytes.tolist())

    assert memory <= {server.memory_gigabytes for server in catalogue.servers.values()}


def test_no_task_is_no_agreement():
    """And no division by zero."""
    assert Agreement(tasks=0, same_server=0, same_class=0).to_json()["same_server_ratio"] is None


def test_the_tasks_are_always_the_same():
    """So that a figure can be printed again."""
    tasks = shipped_tasks()

    assert tasks == shipped_tasks()
    assert np.mean([task.cpu_millicores for task in tasks]) > 0
