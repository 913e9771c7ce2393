"""What the replay tells a forecaster is what the service would have known at that moment."""

from __future__ import annotations

import numpy as np
import pytest
from naive_engine import NaiveEngine

from forecaster.cleaning import find_outages
from forecaster.engine import Engine
from forecaster.evaluation.replay import replay
from forecaster.evaluation.traces import Trace
from forecaster.model_set import ModelSet

FIRST = 29_000_161
COUNT = 300


class Remembering(NaiveEngine):
    """Remembers as the service does; its forecasts are of no interest here."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine

    def put(self, key, minutes, values):
        """Take minutes."""
        self.engine.put(key, minutes, values)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """One for all series."""
    return Engine(ModelSet.shipped())


def with_outages(random: np.random.Generator) -> np.ndarray:
    """A level, more or less steady, with zeros, minutes that these cut, and gaps."""
    values = random.normal(3000, random.choice([10, 300, 700]), COUNT).clip(1)
    for _ in range(random.integers(1, 5)):
        first = int(random.integers(20, COUNT - 20))
        end = first + int(random.choice([1, 2, 3, 15, 60, 100]))
        values[first:end] = 0
        values[[first - 1, min(end, COUNT - 1)]] *= random.choice([1.0, random.random()], 2)
        gap = int(random.integers(0, 6 * COUNT))
        values[gap : gap + 40] = np.nan
    return values


def put_in_blocks(engine: Engine, key: str, values: np.ndarray, random: np.random.Generator):
    """Put so many minutes at once as it happens, after a broker was away for some."""
    place = 0
    while place < COUNT:
        end = min(COUNT, place + int(random.integers(1, 9)))
        engine.put(key, np.arange(FIRST + place, FIRST + end), values[place:end])
        place = end


def assert_same_history(engine: Engine, one: str, other: str) -> None:
    """Which minutes are known, and what they say."""
    state = engine.export((one, other))
    for name in ("present", "means", "ring"):
        first, second = state[f"history.{name}"]
        np.testing.assert_allclose(first, second, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("seed", range(20))
def test_the_replay_tells_what_the_service_would_have_known(engine: Engine, seed: int) -> None:
    """Minute by minute, several at once, and replayed: the same minutes are known in the end."""
    random = np.random.default_rng(seed)
    values = with_outages(random)
    served, blocks, replayed = (f"{name}-{seed}" for name in ("served", "blocks", "replayed"))
    for place, value in enumerate(values):
        engine.put(served, np.array([FIRST + place]), np.array([value]))
    put_in_blocks(engine, blocks, values, random)
    # Origins end five minutes before the trace does: the last minutes are put to no purpose.
    longer = np.append(values, np.full(9, 1.0))
    replay(Trace(replayed, 1, FIRST, longer), Remembering(engine))
    newest = int(engine.export((replayed,))["history.newest_minute"][0])
    for key in (served, blocks):
        rest = np.arange(FIRST + COUNT, newest + 1)
        engine.put(key, rest, np.ones(len(rest)))

    assert_same_history(engine, served, blocks)
    assert_same_history(engine, served, replayed)


def test_a_minute_cut_by_the_end_of_an_outage_is_known_but_not_judged() -> None:
    """Of minutes before it the service has kept that they had no value, not that they were 0."""
    values = np.random.default_rng(1).normal(3000, 30, COUNT)
    values[250:255], values[255] = 0, 600
    told = NaiveEngine()
    found = replay(Trace("shop", 1, FIRST, values), told)

    assert told.known[FIRST + 255] == 600
    assert np.isnan([told.known[FIRST + place] for place in range(250, 255)]).all()
    assert np.isnan(found.known[255])
    assert found.outages.trailing[255]


def test_what_an_outage_cuts_is_no_level_for_its_other_zeros() -> None:
    """With half an hour known it is the thirtieth minute: known at the first zero, then no more."""
    values = np.full(60, 3000.0)
    values[:5] = np.nan
    values[34], values[35:40] = 100, 0

    outages = find_outages(values)

    assert np.flatnonzero(outages.marked[5:]).tolist() == [29, 30]
