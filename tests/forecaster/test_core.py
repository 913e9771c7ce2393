"""What the core does with engines that fail, and with those that take another's place."""

from __future__ import annotations

import pytest
from forecaster_stage import START_MINUTE, Stage
from plain_engine import PlainEngine

from forecaster import core
from forecaster.core import Core, CoreOptions
from forecaster.shadow import Shadow

KEYS = tuple(f"shop/Deployment/web-{number}" for number in range(5))


class FailingEngine(PlainEngine):
    """Fails at what is named."""

    fails = ""

    def put(self, key, minutes, requests_per_second):
        """Upsert, or fail."""
        if self.fails == "put":
            raise RuntimeError("no such shape")
        return super().put(key, minutes, requests_per_second)

    def forecast(self, minute, keys=None):
        """Forecast, or fail."""
        if self.fails == "forecast":
            raise RuntimeError("no such shape")
        return super().forecast(minute, keys)

    def drop(self, keys):
        """Forget, or fail."""
        if self.fails == "drop":
            raise RuntimeError("no such shape")
        super().drop(keys)


def at_work(engine: PlainEngine) -> Core:
    """Give a core that has been at work for three minutes."""
    own = Core(engine, CoreOptions())
    for minute in range(START_MINUTE, START_MINUTE + 3):
        take(own, minute)
    return own


def take(own: Core, minute: int) -> int:
    """Let a minute of all workloads come; how many were forecast."""
    for key in KEYS:
        own.take(0, key, minute * 60_000, 10.0, minute * 60.0)
    return own.turn(minute * 60.0 + 1).messages_count


@pytest.mark.parametrize("fails", ["put", "forecast", "drop"])
def test_a_challenger_that_fails_goes_and_nobody_else_notices(fails):
    """Whatever it fails at, all are forecast, and it is said which version it was."""
    own = at_work(PlainEngine())
    challenger = FailingEngine()
    own.shadow = Shadow("new", challenger, own.engine, keys_max=10, minute=START_MINUTE)
    challenger.fails = fails
    published = take(own, START_MINUTE + 3)
    own.drop(KEYS[:1])

    assert published == len(KEYS)
    assert own.shadow is None
    assert "no such shape" in str(own.shadow_failures["new"])
    assert set(own.engine.keys()) == set(KEYS[1:])


class Copied(PlainEngine):
    """Counts how many workloads it gives away at once."""

    most = 0

    def export(self, keys):
        """Give them."""
        self.most = max(self.most, len(keys))
        return super().export(keys)


def test_other_models_take_over_without_a_copy():
    """What was learnt stays where it is."""
    engine = Copied()
    own = at_work(engine)
    own.swap(PlainEngine(factor=2.0))

    assert own.engine is engine
    assert engine.most == 0
    assert engine.factor == 2.0
    assert take(own, START_MINUTE + 3) == len(KEYS)


def test_other_experts_take_over_some_workloads_at_a_time(monkeypatch):
    """There is never a copy of all between the old engine and the new one."""
    monkeypatch.setattr(core, "SWAPPED_KEYS", 2)
    engine = Copied(adopts=False)
    own = at_work(engine)
    known = dict(engine.known)
    new = PlainEngine(factor=2.0)
    own.swap(new)

    assert own.engine is new
    assert new.known == known
    assert engine.most == 2
    assert take(own, START_MINUTE + 3) == len(KEYS)


def test_a_challenger_that_failed_is_dismissed_with_the_reason(tmp_path):
    """It is not begun with again and again."""
    made = {"new": FailingEngine()}
    stage = Stage(tmp_path, engine_of=lambda version: made.get(version) or PlainEngine())
    stage.minutes([10.0, 11.0])
    (stage.registry.folder / "new").mkdir(parents=True)
    (stage.registry.folder / "new" / "model.json").write_text("{}")
    stage.registry.challenge("new", "trained", stage.clock.seconds)
    stage.minutes([10.0, 11.0])
    assert stage.core.shadow.version == "new"
    made["new"].fails = "forecast"

    assert len(stage.minutes([10.0, 11.0, 12.0])) == 3
    assert stage.core.shadow is None
    assert stage.registry.state().challenger is None
    assert "no such shape" in stage.registry.state().history[-1].reason
