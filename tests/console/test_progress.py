"""The bar of a long work."""

from __future__ import annotations

from rich.progress import Progress

from console.progress import STEPS_PER_UPDATE, _Bars


def test_a_bar_moves_also_where_steps_come_many_at_once() -> None:
    """Processes tell of a few dozen at a time, which need hit no round number."""
    with Progress(disable=True) as bars:
        steps = _Bars(bars).steps()
        steps.begin("forecasts", 5000)
        for told in range(1, 20):
            steps.advance(73)
            assert told * 73 - bars.tasks[0].completed < STEPS_PER_UPDATE
