"""Which rule is in force, and when there is something to solve for the next one."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
from core_scenes import CATALOGUE, GIBIBYTE, CoreScene, key_of, server, task
from model_objects import table_of

from extender.fleet import ProfileFinder, powered_fleet
from extender.rankings import BUSY_RATIO, PLAIN_RULES, MixJob, Moment, QueueJob, Rankings
from pricing.demand import ExpectedDemand
from pricing.queue_pricing import QUEUE_PODS_MIN
from pricing.terms import Shapes

NODES = [server("a1"), server("a2"), server("b1", "dear"), server("b2", "dear")]
NOW = 5000.0


def moment_of(table) -> Moment:
    """Give a moment in which every pod keeps its node awake."""
    return Moment(table, table.pod_count)


def now_of(nodes) -> Moment:
    """Give a moment of empty nodes."""
    return moment_of(table_of(nodes))


def fleet_of(nodes=NODES):
    """Give what rules are told of the nodes."""
    fleet = powered_fleet(nodes, ProfileFinder(CATALOGUE))
    return fleet.told(usage_ratio=1.0, nodes_may_sleep=True)


def rankings_of(rule="negawatt", expected=None) -> Rankings:
    """Give rankings over the four nodes, where nothing runs."""
    rankings = Rankings(rule, expected)
    rankings.take_over(fleet_of(), [])
    return rankings


def queue_of(count: int) -> dict:
    """Give so many pods that wait, by key."""
    pods = [task(f"p{number}", 1000, 2 * GIBIBYTE) for number in range(count)]
    return {key_of(pod): pod for pod in pods}


def expected_of(count: float) -> ExpectedDemand:
    """Give so many pods of a core and 2 GiB that will run at once."""
    shapes = Shapes(cpu_cores=np.array([1.0]), memory_bytes=np.array([2.0 * GIBIBYTE]))
    return ExpectedDemand(shapes=shapes, counts=np.array([count]))


def test_before_any_fleet_there_is_no_rule() -> None:
    """And nothing to solve."""
    rankings = Rankings("negawatt", None)
    assert rankings.rule() is None
    assert rankings.job(now_of(NODES), queue_of(20), 0, NOW) is None


@pytest.mark.parametrize("rule", PLAIN_RULES)
def test_a_rule_without_prices_never_solves(rule: str) -> None:
    """It is in force at once."""
    rankings = rankings_of(rule)
    assert rankings.rule().name == rule
    assert rankings.job(now_of(NODES), queue_of(50), 0, NOW) is None


def test_a_short_queue_goes_like_single_pods() -> None:
    """By the envelope rule; from ten pods on it is priced."""
    rankings = rankings_of()
    assert rankings.rule().name == "envelope"
    assert rankings.job(now_of(NODES), queue_of(QUEUE_PODS_MIN - 1), 0, NOW) is None
    assert isinstance(rankings.job(now_of(NODES), queue_of(QUEUE_PODS_MIN), 0, NOW), QueueJob)


def test_a_priced_queue_goes_by_its_bookings_until_it_is_placed() -> None:
    """Then single pods go by the envelope again."""
    rankings, queue = rankings_of(), queue_of(12)
    job = rankings.job(now_of(NODES), queue, 0, NOW)
    assert rankings.rule().name == "envelope"  # until it is solved
    rankings.publish(job.solve(perf_counter), queue)
    assert rankings.rule().name == "booking-limit"
    assert rankings.solves == {"solved": 1}
    for place, (key, pod) in enumerate(queue.items()):
        assert rankings.rule().name == "booking-limit"
        rankings.placed(key, pod, place % 4)
    assert rankings.rule().name == "envelope"


def test_bookings_count_down_and_are_given_back() -> None:
    """A pod that was thought to go to a class and did not frees its booking."""
    rankings, queue = rankings_of(), queue_of(12)
    rankings.publish(rankings.job(now_of(NODES), queue, 0, NOW).solve(perf_counter), queue)
    key, pod = next(iter(queue.items()))
    rule = rankings.rule()
    before = rule.booked(pod).copy()
    rankings.placed(key, pod, 0, assumed=True)
    assert rule.booked(pod)[0] == pytest.approx(before[0] - 1.0)
    rankings.mistaken(key, pod)
    assert rule.booked(pod)[0] == pytest.approx(before[0])


def test_nothing_is_given_back_that_was_not_taken() -> None:
    """A pod assumed on a class without a booking for it leaves none behind."""
    rankings, queue = rankings_of(), queue_of(12)
    rankings.publish(rankings.job(now_of(NODES), queue, 0, NOW).solve(perf_counter), queue)
    (key, pod), *others = queue.items()
    rule = rankings.rule()
    for other, another in others:
        rankings.placed(other, another, 0)
    rankings.placed(key, pod, 0)
    left = rule.booked(pod)
    rankings.placed(key, pod, 0, assumed=True)
    rankings.mistaken(key, pod)
    assert (rule.booked(pod) is None) == (left is None)


def test_a_pod_that_changes_takes_no_second_booking() -> None:
    """A label or a resize is no placement."""
    rankings, queue = rankings_of(), queue_of(12)
    rankings.publish(rankings.job(now_of(NODES), queue, 0, NOW).solve(perf_counter), queue)
    key, pod = next(iter(queue.items()))
    rule = rankings.rule()
    rankings.placed(key, pod, 0)
    before = rule.booked(pod).copy()
    rankings.changed(pod, pod)
    assert rule.booked(pod).tolist() == before.tolist()


def test_a_queue_keeps_its_rule_while_the_same_nodes_are_told_something_else() -> None:
    """But it is priced anew as soon as may be."""
    rankings, queue = rankings_of(), queue_of(12)
    rankings.publish(rankings.job(now_of(NODES), queue, 0, NOW).solve(perf_counter), queue)
    rule = rankings.rule()
    rankings.take_over(fleet_of(), same_nodes=True)
    assert rankings.rule() is rule
    assert isinstance(rankings.job(now_of(NODES), queue, 0, NOW + 100.0), QueueJob)


def test_what_is_placed_while_a_program_is_solved_is_booked_already() -> None:
    """The scheduler does not wait for prices."""
    rankings, queue = rankings_of(), queue_of(12)
    solved = rankings.job(now_of(NODES), queue, 0, NOW).solve(perf_counter)
    (first, one), *_ = queue.items()
    rankings.placed(first, one, 0)
    left = {key: pod for key, pod in queue.items() if key != first}
    rankings.publish(solved, left)
    assert rankings.queue_pods == 11
    fresh = rankings_of()
    fresh.publish(fresh.job(now_of(NODES), queue, 0, NOW).solve(perf_counter), queue)
    other = next(iter(left.values()))
    assert rankings.rule().booked(other)[0] == pytest.approx(fresh.rule().booked(other)[0] - 1.0)


def test_one_program_at_a_time() -> None:
    """Until it is published, there is nothing else to solve."""
    rankings, queue = rankings_of(), queue_of(12)
    job = rankings.job(now_of(NODES), queue, 0, NOW)
    assert rankings.job(now_of(NODES), queue_of(30), 0, NOW + 100.0) is None
    rankings.publish(job.solve(perf_counter), queue)
    assert rankings.job(now_of(NODES), queue_of(30), 0, NOW + 100.0) is not None


def test_a_program_of_another_fleet_is_not_taken_over() -> None:
    """Its rows and classes are of nodes that are no more."""
    rankings, queue = rankings_of(), queue_of(12)
    job = rankings.job(now_of(NODES), queue, 0, NOW)
    rankings.take_over(fleet_of(NODES[1:]), [])
    rankings.publish(job.solve(perf_counter), queue)
    assert rankings.rule().name == "envelope"
    assert rankings.solves == {}
    assert rankings.job(now_of(NODES[1:]), queue, 0, NOW) is not None


def test_nor_is_its_failure() -> None:
    """The program of the new fleet goes on."""
    rankings, queue = rankings_of(), queue_of(12)
    old = rankings.job(now_of(NODES), queue, 0, NOW)
    rankings.take_over(fleet_of(NODES[1:]), [])
    new = rankings.job(now_of(NODES[1:]), queue, 0, NOW)
    rankings.failed(old, NOW)
    assert rankings.job(now_of(NODES[1:]), queue, 0, NOW + 10.0) is None
    rankings.publish(new.solve(perf_counter), queue)
    assert rankings.solves == {"solved": 1}


def test_a_job_that_failed_is_tried_again_after_a_while() -> None:
    """The last rule stands meanwhile, and the failure is counted."""
    rankings, queue = rankings_of(), queue_of(12)
    job = rankings.job(now_of(NODES), queue, 0, NOW)
    rankings.failed(job, NOW)
    assert rankings.rule().name == "envelope"
    assert rankings.solves == {"failed": 1}
    assert rankings.job(now_of(NODES), queue, 0, NOW + 0.5) is None
    assert rankings.job(now_of(NODES), queue, 0, NOW + 1.5) is not None


def test_after_each_failure_the_wait_is_longer_until_one_succeeds() -> None:
    """Each leaves a traceback in the log: one a second would bury all else."""
    rankings, queue, now = rankings_of(), queue_of(12), NOW
    for wait in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        rankings.failed(rankings.job(now_of(NODES), queue, 0, now), now)
        assert rankings.job(now_of(NODES), queue, 0, now + 0.9 * wait) is None
        now += wait
    rankings.publish(rankings.job(now_of(NODES), queue, 0, now).solve(lambda: 0.0), queue)
    rankings.failed(rankings.job(now_of(NODES), queue_of(40), 0, now), now)
    assert rankings.job(now_of(NODES), queue_of(40), 0, now + 1.0) is not None


def test_solving_does_not_starve_the_rest() -> None:
    """After a program that took a second nothing is solved for a while."""
    rankings, queue = rankings_of(), queue_of(12)
    ticks = iter([0.0, 1.0])
    job = rankings.job(now_of(NODES), queue, 0, NOW)
    rankings.publish(job.solve(lambda: next(ticks)), queue)
    assert rankings.job(now_of(NODES), queue_of(40), 0, NOW + 0.9 / BUSY_RATIO) is None
    assert rankings.job(now_of(NODES), queue_of(40), 0, NOW + 1.1 / BUSY_RATIO) is not None


def test_the_same_queue_is_not_priced_again_and_a_longer_one_is() -> None:
    """Once is enough as long as nothing happens."""
    rankings, queue = rankings_of(), queue_of(12)
    rankings.publish(rankings.job(now_of(NODES), queue, 0, NOW).solve(perf_counter), queue)
    assert not isinstance(rankings.job(now_of(NODES), queue, 0, NOW + 100.0), QueueJob)
    longer = queue | queue_of(14)
    rankings = rankings_of()
    rankings.publish(rankings.job(now_of(NODES), queue, 0, NOW).solve(perf_counter), queue)
    assert isinstance(rankings.job(now_of(NODES), longer, 0, NOW + 100.0), QueueJob)


def test_a_queue_that_is_gone_when_its_program_is_solved_leaves_no_rule() -> None:
    """All of it was placed or deleted meanwhile."""
    rankings, queue = rankings_of(), queue_of(12)
    solved = rankings.job(now_of(NODES), queue, 0, NOW).solve(perf_counter)
    for key in queue:
        rankings.gone(key)
    rankings.publish(solved, {})
    assert rankings.rule().name == "envelope"


def test_the_running_mix_is_priced_where_no_queue_waits() -> None:
    """Its prices are of memory, within the envelope rule."""
    rankings = rankings_of()
    for number in range(4):
        rankings.placed(f"shop/r{number}", task(f"r{number}", 1000, 20 * GIBIBYTE), number)
    job = rankings.job(now_of(NODES), {}, 4, NOW)
    assert isinstance(job, MixJob)
    rankings.publish(job.solve(perf_counter), {})
    assert rankings.rule().name == "envelope"
    assert rankings.solved_at_seconds == NOW
    assert rankings.job(now_of(NODES), {}, 4, NOW + 60.0) is None


def test_expected_demand_is_priced_beyond_the_queue_as_long_as_it_is_to_come() -> None:
    """Of 16 pods 4 run and 3 wait, so 9 are to come; then all goes as without it."""
    rankings = rankings_of(expected=expected_of(16.0))
    job = rankings.job(now_of(NODES), queue_of(3), 4, NOW)
    assert isinstance(job, QueueJob)
    assert job.beyond.counts.tolist() == [9.0]
    rankings.publish(job.solve(perf_counter), queue_of(3))
    for key, pod in queue_of(3).items():
        rankings.placed(key, pod, 0)
    assert rankings.rule().name == "booking-limit"  # single pods go by it too
    assert not isinstance(rankings.job(now_of(NODES), {}, 16, NOW + 100.0), QueueJob)
    assert rankings.rule().name == "envelope"


def test_prices_for_what_is_expected_follow_the_state_once_a_minute() -> None:
    """Though no queue forms."""
    rankings = rankings_of(expected=expected_of(16.0))
    rankings.publish(rankings.job(now_of(NODES), {}, 0, NOW).solve(perf_counter), {})
    assert not isinstance(rankings.job(now_of(NODES), {}, 0, NOW + 59.0), QueueJob)
    rankings = rankings_of(expected=expected_of(16.0))
    rankings.publish(rankings.job(now_of(NODES), {}, 0, NOW).solve(perf_counter), {})
    assert isinstance(rankings.job(now_of(NODES), {}, 0, NOW + 61.0), QueueJob)


def test_a_program_works_on_the_state_of_its_moment() -> None:
    """The table goes on while another thread solves."""
    rankings, table = rankings_of(), table_of(NODES)
    job = rankings.job(moment_of(table), queue_of(12), 0, NOW)
    table.assign(task("late", 8000), 0)
    assert job.still.table().requested_cpu_millicores.tolist() == [0, 0, 0, 0]


class TestInTheCore:
    """The core gives what waits for our schedulers, and nothing else, to be priced."""

    def test_ten_pods_of_ours_are_a_queue(self) -> None:
        """Not those of others, gated ones, refused ones, or those that opted out."""
        scene = CoreScene(*NODES)
        scene.waits(*(task(f"p{number}") for number in range(QUEUE_PODS_MIN - 1)))
        scene.waits(
            task("other", scheduler_name="default-scheduler"),
            task("gated", gated=True),
            task("refused", refused=True),
            task("quiet", labels={"negawatt.dev/ignore": "true"}),
        )
        assert scene.core.figures().queue_pods == QUEUE_PODS_MIN - 1
        assert scene.core.job() is None
        scene.waits(task("one-more"))
        assert isinstance(scene.core.job(), QueueJob)

    def test_a_burst_goes_by_its_bookings_and_leaves_none_behind(self) -> None:
        """Twelve pods, scored and bound where the scores say."""
        scene = CoreScene(*NODES, nodes_may_sleep=True)
        pods = [task(f"p{number}", 1000, GIBIBYTE) for number in range(12)]
        scene.waits(*pods)
        scene.solve()
        assert "booking" in scene.core.explain("shop", "p0").rule
        for pod in pods:
            scores = scene.scores(pod)
            scene.binds(pod, max(scores, key=scores.get))
        assert scene.core.figures().queue_pods == 0
        assert sum(scene.cores().values()) == 12.0
        rules = {scene.core.explain("shop", pod.name).rule for pod in pods}
        assert rules == {"negawatt/booking-limit"}
        scene.waits(task("later"))
        assert scene.core.explain("shop", "later").rule == "negawatt/envelope"

    def test_a_failed_program_is_counted(self) -> None:
        """And tried again."""
        scene = CoreScene(*NODES)
        scene.waits(*(task(f"p{number}") for number in range(12)))
        scene.core.job_failed(scene.core.job())
        assert scene.core.figures().price_solves == {"failed": 1}
        scene.passes(2.0)
        assert scene.solve() == 1
        assert scene.core.figures().price_age_seconds == 0.0
        scene.passes(7.0)
        assert scene.core.figures().price_age_seconds == 7.0
