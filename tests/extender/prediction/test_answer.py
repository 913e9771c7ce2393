"""Ranks and sentences follow from costs and room alone."""

from __future__ import annotations

import numpy as np
import pytest

from extender.prediction.answer import Priced, ranked, sentence, server_answers


def priced(watts, fits=None, **fields):
    """Servers a, b, c … with these costs for a task of half a core."""
    count = len(watts)
    known = {
        "names": [chr(ord("a") + place) for place in range(count)],
        "task_cores": 0.5,
        "watts": np.array(watts, dtype=np.float64),
        "fits": np.ones(count, np.bool_) if fits is None else np.array(fits),
        "free_cores": np.full(count, 0.25),
        "used_ratio": np.full(count, 0.5),
        "clamped": [()] * count,
        "how": "the task adds",
    }
    return Priced(**{**known, **fields})


@pytest.mark.parametrize(
    ("watts", "fits", "said"),
    [
        ([2, 1, 4], None, "b costs least: the task adds 1 W, 1 W (50 %) less than on the next, a"),
        ([1, 1], None, "a costs least: the task adds 1 W, as on b; of equals the one that was"),
        ([1, 2], [False, True], "b costs least: the task adds 2 W, and it is the only server"),
        (
            [1],
            [False],
            "no server can take the task: it keeps 0.5 cores busy, and no",
        ),
        ([], None, "no server can take the task: it keeps 0.5 cores busy"),
        ([-1, 0], None, "a costs least: the task adds -1 W, 1 W less than on the next, b (0 W)"),
    ],
)
def test_the_sentence_says_which_why_and_by_how_much(watts, fits, said):
    """Also of ties, of a single server, of none, and where a curve falls."""
    assert sentence(ranked(priced(watts, fits))).startswith(said)


def test_ranks_leave_out_what_does_not_fit_and_keep_the_order_of_the_request():
    """Each with its reason."""
    found = server_answers(
        ranked(priced([3, 1, 2], [True, False, True], clamped=[("cpus", "memory"), (), ()]))
    )

    assert [(each["id"], each["rank"], each["cost_watts"]) for each in found] == [
        ("a", 2, 3.0),
        ("b", None, None),
        ("c", 1, 2.0),
    ]
    assert found[0]["reason"].endswith("beyond what the model was trained on: cpus, memory")
    assert found[1]["reason"] == "the task does not fit: it keeps 0.5 cores busy, 0.25 are free"
    assert found[2]["reason"] == "the task adds 2 W at 50 % load"


def test_servers_that_are_closed_say_so_rather_than_that_they_are_full():
    """And are never best."""
    closed = priced([1, 2], closed=np.array([True, False]), closed_reason="cordoned")
    found = ranked(closed)

    assert found.best == 1
    assert server_answers(found)[0]["reason"] == "cordoned"
