"""Which tests share a process, and which come first, where several processes run them.

`make test` says `-n … --dist loadfile` to pytest-xdist: a file is run by one process, and here the
files that share a server (a session's fixture) by the same one, so that few servers start. What
takes longest comes first, so that no process has a long file left when the others are done.
"""

from __future__ import annotations

import ast
import os
from functools import cache

import pytest
import repository
from xdist.scheduler import LoadFileScheduling

from simulator.sandbox import ports

#: Fixture -> the group of all files whose functions ask for it; of several the first counts.
GROUPS = {
    "control_plane": "control-plane",
    "kubeconfig": "control-plane",
    "measured_plane": "measured",
    "stage": "stage",
    "sandbox": "sandbox",
    "sandbox_factory": "sandbox",
    "scraping": "scraping",
    "traffic_history": "traffic-history",
    "mariadb_server": "databases",
    "postgresql_server": "databases",
    "empty_database": "databases",
    "ledger_url": "databases",
    "ledger": "databases",
    "ledgers": "databases",
    "kafka_broker": "kafka",
    "kafka_settings": "kafka",
    "streams": "kafka",
}
#: Groups and files that take ten seconds or more, the longest first. What is new and slow here
#: belongs in its place; what is gone does no harm.
LONGEST = (
    "stage",
    "tests/integration/test_fidelity.py",
    "tests/integration/test_forecast_sandbox.py",
    "tests/console/test_energy_training.py",
    "tests/forecaster/training/test_network.py",
    "tests/forecaster/training/test_notebooks.py",
    "control-plane",
    "sandbox",
    "databases",
    "kafka",
    "measured",
    "tests/integration/test_scheduler_weights.py",
    "tests/extender/test_wire_fuzz.py",
    "tests/extender/test_core_fuzz.py",
    "tests/simulator/scenarios",
    "scraping",
    "tests/cluster/kube",
    "tests/deploy",
    "tests/simulator",
    "tests/docs",
    "tests/console",
)


def arrange(items: list[pytest.Item]) -> None:
    """Put what takes longest first; the rest keeps its random order."""
    items.sort(key=lambda item: _place(group_of(item.nodeid)))


def group_of(node_id: str) -> str:
    """Give what one process runs as a whole: a test's file, or a group of files."""
    return _group_of_file(node_id.partition("::")[0])


@cache
def _group_of_file(file: str) -> str:
    path = repository.ROOT / file
    if not path.is_file():  # of another root, as the tests of conftest.py have it
        return file
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = {node.arg for node in nodes if isinstance(node, ast.arg)}
    return next((group for fixture, group in GROUPS.items() if fixture in names), file)


def _place(group: str) -> int:
    for place, name in enumerate(LONGEST):
        if group == name or group.startswith(f"{name}/"):
            return place
    return len(LONGEST)


class GroupScheduling(LoadFileScheduling):
    """Hands out groups in the order in which the processes found them."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def take_own_ports(worker: str) -> None:
    """Let a process choose ports from a share of its own: two could choose the same at once."""
    share = len(ports.PORT_RANGE) // max(1, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    first = ports.PORT_RANGE.start + share * int(worker.removeprefix("gw"))
    ports.PORT_RANGE = range(first, first + share)
