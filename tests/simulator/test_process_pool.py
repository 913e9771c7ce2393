"""Work on several processes: the same results in the same order, and a failure is not swallowed."""

from __future__ import annotations

import math
import multiprocessing
import time

import pytest

from simulator.process_pool import run_all


@pytest.mark.parametrize("processes", [1, 2])
def test_results_keep_the_order_of_the_work(processes):
    """However many processes there are, and each piece is counted once."""
    done = []
    roots = run_all(math.sqrt, [9.0, 4.0, 1.0], processes=processes, advance=done.append)

    assert roots == [3.0, 2.0, 1.0]
    assert done == [1, 1, 1]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_failure_ends_the_work(processes):
    """The first error is raised to the caller."""
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        run_all(math.sqrt, [4.0, -1.0, 9.0], processes=processes, advance=lambda _: None)


def test_a_stopped_command_leaves_no_process_behind():
    """Whoever is interrupted while pieces run ends their processes too, at once."""
    before = set(multiprocessing.active_children())

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(time.sleep, [0.0, 300.0, 300.0], processes=2, advance=stop)
    assert set(multiprocessing.active_children()) <= before
