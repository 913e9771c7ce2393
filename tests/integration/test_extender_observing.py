"""An extender that observes: every bind of the default scheduler is a decision in the ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import negawatt
from extender_process import ExtenderProcess
from extender_stage import KINDS, NAMESPACE, Stage

from ledger.decision import PlacementDecision
from ledger.filters import DecisionFilter
from ledger.store import Ledger
from simulator.sandbox.ports import free_ports

pytestmark = [pytest.mark.kube, pytest.mark.slow]

PODS = 40


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    """Give a ledger of the test's own."""
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


def observer(stage: Stage, ledger_url: str) -> ExtenderProcess:
    """Prepare an extender that nobody asks."""
    return stage.extender(free_ports(1)[0], mode="observe", ledger_url=ledger_url)


def decisions_of(ledger_url: str, burst: str) -> dict[str, PlacementDecision]:
    """Give the decisions about a burst's pods, by pod."""
    with Ledger.open(ledger_url) as ledger:
        found = ledger.decisions(DecisionFilter(namespace=NAMESPACE), limit=1000).decisions
    return {each.pod: each for each in found if each.pod.startswith(f"{burst}-")}


def test_every_bind_is_recorded_with_the_watts_between(stage: Stage, ledger_url: str) -> None:
    """As the API server has it; the sums of the page are those of the records."""
    with observer(stage, ledger_url) as extender:
        stage.create("observed", PODS)
        stage.wait_until_bound("observed")
        nodes = stage.nodes_of("observed")
        stage.until(lambda: len(decisions_of(ledger_url, "observed")) == PODS)
        decisions = decisions_of(ledger_url, "observed")
        assert {pod: each.node_chosen for pod, each in decisions.items()} == nodes
        for each in decisions.values():
            assert each.mode == "observe"
            assert each.scheduler_name == "default-scheduler"
            assert each.node_preferred.startswith("thrifty-")
            assert each.forgone_watts == pytest.approx(
                watts_of(each.node_chosen) - watts_of(each.node_preferred), abs=1e-6
            )
        total = sum(each.forgone_watts for each in decisions.values())
        savings = extender.document("/savings")
        assert savings["forgone_watts"] == pytest.approx(total, abs=1e-6)
        (row,) = savings["rows"]
        assert (row["namespace"], row["decisions"]) == (NAMESPACE, PODS)
        by_workload = extender.document("/savings?by=workload")
        assert by_workload["forgone_watts"] == pytest.approx(total, abs=1e-6)
        assert extender.metric("decisions_total", mode="observe") == PODS
        assert extender.metric("forgone_total_watts") == pytest.approx(total, abs=1e-6)
        assert extender.metric("ledger_dropped_records_total") == 0


def watts_of(node: str) -> float:
    """Give what a pod adds to a node: a tenth of a core of 640, on a straight curve."""
    idle, peak = KINDS[node.rpartition("-")[0]]
    return (peak - idle) * 0.1 / 640


def test_a_pod_that_ends_is_ended_in_the_ledger(stage: Stage, ledger_url: str) -> None:
    """Deleted while we watch, and while we do not."""
    with observer(stage, ledger_url):
        stage.create("ending", 4)
        stage.wait_until_bound("ending")
        stage.until(lambda: len(decisions_of(ledger_url, "ending")) == 4)
        delete(stage, "ending-0")
        stage.until(lambda: ended(ledger_url, "ending-0"))
        assert not ended(ledger_url, "ending-1")
    delete(stage, "ending-1")
    with observer(stage, ledger_url):
        stage.until(lambda: ended(ledger_url, "ending-1"))
        delete(stage, "ending-2")
        stage.until(lambda: ended(ledger_url, "ending-2"))
    assert not ended(ledger_url, "ending-3")


def delete(stage: Stage, pod: str) -> None:
    """Delete a pod at once."""
    stage.plane.kubectl("delete", "pod", pod, f"--namespace={NAMESPACE}", "--force")


def ended(ledger_url: str, pod: str) -> bool:
    """Whether the ledger has an end of the pod."""
    return decisions_of(ledger_url, pod.rpartition("-")[0])[pod].ended_at_seconds is not None


def test_the_command_explains_what_the_page_does(stage: Stage, ledger_url: str) -> None:
    """A pod that was bound, one that was bound before, one that waits, and one that is not."""
    stage.create("before", 1)
    stage.wait_until_bound("before")
    with observer(stage, ledger_url) as extender:
        stage.create("explained", 1)
        stage.create("waiting", 1, schedulerName="nobody")
        stage.wait_until_bound("explained")
        states = {"explained": "bound", "before": "bound-before", "waiting": "pending"}
        for burst, state in states.items():
            path = f"/explain/{NAMESPACE}/{burst}-0"
            stage.until(
                lambda path=path, state=state: extender.document(path).get("state") == state
            )
            page = extender.document(path)
            told = negawatt(
                "extender", "explain", NAMESPACE, f"{burst}-0", "--url", extender.url,
                "--output", "json",
            )  # fmt: skip
            assert told.returncode == 0, told.stderr
            said = json.loads(told.stdout)
            assert said["node_preferred"] == page["node_preferred"]
            assert said["state"] == state
            shown = negawatt("extender", "explain", NAMESPACE, f"{burst}-0", "--url", extender.url)
            assert page["node_preferred"] in shown.stdout
        nobody = negawatt("extender", "explain", NAMESPACE, "nobody", "--url", extender.url)
        assert nobody.returncode == 2
        assert "nobody" in nobody.stderr
        assert "Traceback" not in nobody.stderr


def test_observing_gives_all_nodes_the_same_score(stage: Stage, ledger_url: str) -> None:
    """Asked all the same, it has no opinion."""
    with observer(stage, ledger_url) as extender:
        pod = {"metadata": {"name": "asked", "namespace": NAMESPACE, "uid": "u"}, "spec": {}}
        scores = extender.prioritize(pod, ["thrifty-1", "thirsty-1", "nobody"])
        assert len(set(scores.values())) == 1
        assert extender.metric("assumed_pods") == 0
