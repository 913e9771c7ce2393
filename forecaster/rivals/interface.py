"""What every forecaster of medians offers, and what those offer besides that learn as they go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy.typing as npt

from forecaster.history import Floats, HistoryView

#: Arrays by name; the leading axis of each is the series.
State = Mapping[str, npt.NDArray[Any]]


class Expert(Protocol):
    """Forecasts from what is seen alone."""

    @property
    def name(self) -> str:
        """What it is called in reports, metrics and messages."""
        ...

    def medians(self, view: HistoryView) -> Floats:
        """Forecast requests/s at each horizon: (n, 6), never negative; NaN: nothing to say."""
        ...


class LearningExpert(Protocol):
    """Forecasts from what is seen and from a state of its own per series.

    States are plain arrays, so that rows can be picked, moved between processes and saved.
    """

    @property
    def name(self) -> str:
        """What it is called in reports, metrics and messages."""
        ...

    def fresh(self, rows: int) -> State:
        """Return the state of series of which nothing is known."""
        ...

    def step(self, state: State, view: HistoryView) -> State:
        """Learn from a view, once every five minutes; the given state stays as it is.

        A step left out costs what it would have taught, nothing else.
        """
        ...

    def skip(self, state: State, minute: int) -> State:
        """Leave out what came up to this minute, and what waits for it; nothing is learnt of it."""
        ...

    def medians(self, state: State, view: HistoryView) -> Floats:
        """Forecast requests/s at each horizon: (n, 6), never negative; NaN: nothing to say."""
        ...
