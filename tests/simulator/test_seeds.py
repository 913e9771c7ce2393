"""Means over seeds, at every depth of a document."""

from __future__ import annotations

from simulator.seeds import mean_over_seeds


def test_figures_are_averaged_at_every_depth_and_never_over_a_gap():
    """Each figure is the mean of all seeds; where one seed has none there is no mean."""
    one = {"a": 1.0, "deep": {"b": 2, "c": None}}
    other = {"a": 3.0, "deep": {"b": 4, "c": 5.0}}

    assert mean_over_seeds([one, other]) == {"a": 2.0, "deep": {"b": 3.0, "c": None}}
