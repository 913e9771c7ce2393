"""One pod and its candidates: what is preferred, what was chosen, the watts between."""

from __future__ import annotations

import numpy as np
import pytest
from core_scenes import CATALOGUE, server, task
from model_objects import table_of

from extender.fleet import ProfileFinder, powered_fleet
from extender.judgement import LISTED_CLASSES, NO_ROW, Ranked, Scene, judge, sentence, use_cores
from extender.scoring import candidate_ranks
from pricing.rules import Marginal

NODES = [server("a"), server("b", "dear"), server("c", "worst"), server("d")]


def scene_of(nodes=NODES, placed=None, *, sleep=False) -> Scene:
    """Give a scene in which requests are used in full."""
    fleet = powered_fleet(nodes, ProfileFinder(CATALOGUE))
    told = fleet.told(usage_ratio=1.0, nodes_may_sleep=sleep)
    table = table_of(list(nodes), placed)
    load = table.requested_cpu_millicores / table.allocatable_cpu_millicores
    return Scene(
        table=table, fleet=told, rule=Marginal(told), load_ratio=load, busy=table.pod_count
    )


def judged(scene: Scene, pod, rows=None, chosen=NO_ROW):
    """Judge a pod whose candidates are ranked by the scene's rule."""
    rows = np.arange(len(scene.table)) if rows is None else np.array(rows, dtype=np.int64)
    rank = candidate_ranks(scene.rule, scene.table, pod, rows)
    return judge(scene, pod, Ranked(rows, rank, scene.rule), chosen_row=chosen)


def test_forgone_is_chosen_less_preferred() -> None:
    """25 W on the dear server against 7.5 W on a good one, for a core."""
    found = judged(scene_of(), task("p"), chosen=1)
    assert found.preferred.node == "a"
    assert found.chosen.node == "b"
    assert found.preferred.added_watts == pytest.approx(7.5)
    assert found.forgone_watts == pytest.approx(17.5)


def test_the_same_node_forgoes_nothing() -> None:
    """Exactly."""
    assert judged(scene_of(), task("p"), chosen=0).forgone_watts == 0.0


def test_before_a_bind_nothing_is_forgone_that_could_be_known() -> None:
    """None, and not 0."""
    found = judged(scene_of(), task("p"))
    assert found.chosen is None
    assert found.forgone_watts is None


def test_the_fullest_of_the_best_rank_is_preferred() -> None:
    """As kube-scheduler will pack."""
    assert judged(scene_of(placed={"d": [task("q")]}), task("p")).preferred.node == "d"


def test_the_runner_up_is_of_another_class_where_there_is_one() -> None:
    """Else a sibling, else nobody."""
    scene = scene_of()
    assert judged(scene, task("p")).runner_up.node == "b"
    assert judged(scene, task("p"), [0, 3]).runner_up is None or (
        judged(scene, task("p"), [0, 3]).runner_up.node == "d"
    )
    assert judged(scene, task("p"), [2]).runner_up is None


def test_no_candidate_is_no_preference() -> None:
    """But a node that somebody chose all the same is judged."""
    nobody = judged(scene_of(), task("p"), [])
    assert (nobody.preferred, nobody.chosen, nobody.nodes) == (None, None, ())
    assert sentence(nobody, "marginal") == "no node can take the pod now"
    forced = judged(scene_of(), task("p"), [], chosen=2)
    assert forced.chosen.node == "c"
    assert (forced.preferred, forced.candidate_count, forced.forgone_watts) == (None, 0, None)
    assert sentence(forced, "marginal") == "c was chosen, where we see no room for the pod"


def test_a_choice_that_is_no_candidate_is_listed_with_the_worst_rank() -> None:
    """So that it is not preferred for being cheap."""
    found = judged(scene_of(), task("p"), [1, 2], chosen=0)
    assert found.preferred.node == "b"
    assert found.chosen.node == "a"
    assert found.forgone_watts == pytest.approx(7.5 - 25.0)


def test_the_first_node_of_each_class_is_listed_and_no_more() -> None:
    """A thousand siblings tell nothing; the chosen one is there in any case."""
    nodes = [server(f"n{number:02}", cores=2 + number // 4) for number in range(4 * 12)]
    found = judged(scene_of(nodes), task("p"), chosen=47)
    assert len({node.row for node in found.nodes}) == len(found.nodes) <= LISTED_CLASSES + 2
    assert "n47" in {node.node for node in found.nodes}
    assert [node.rank for node in found.nodes] == sorted(node.rank for node in found.nodes)
    assert found.candidate_count == 48


def test_waking_counts_only_where_nodes_sleep_and_only_of_empty_ones() -> None:
    """40 W of idle less what it draws asleep."""
    placed = {"d": [task("q")]}
    awake = judged(scene_of(placed=placed), task("p"), [0, 3])
    assert {round(node.added_watts, 6) for node in awake.nodes} == {7.5}
    sleeping = judged(scene_of(placed=placed, sleep=True), task("p"), [0, 3], chosen=0)
    by_name = {node.node: node.added_watts for node in sleeping.nodes}
    assert by_name["d"] == pytest.approx(7.5)
    assert 7.5 + 20.0 < by_name["a"] <= 7.5 + 40.0


def test_a_sentence_names_both_nodes_and_the_watts_between() -> None:
    """For people."""
    said = sentence(judged(scene_of(), task("p"), chosen=1), "marginal")
    assert said.startswith("a has the best rank by marginal")
    assert "b was chosen instead" in said
    assert "where the pod adds 25.00 W, 17.50 W more" in said


def test_expected_use_is_requests_times_the_ratio() -> None:
    """In cores."""
    assert use_cores(task("p", 1500), 0.5) == 0.75
