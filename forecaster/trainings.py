"""Trainings of new models one after another: whether one is due, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from forecaster.contract import Arrays
from forecaster.registry import Registry, RegistryState
from forecaster.retraining import (
    Drift,
    Finished,
    RetrainingPolicy,
    Training,
    clear_orphans,
    why_retrain,
)

_log = logging.getLogger(__name__)

Train = Callable[[Arrays, float], Training]


class Trainings:
    """At most one training at a time, of all processes that share a registry. For one thread."""

    def __init__(
        self,
        registry: Registry,
        policy: RetrainingPolicy | None,
        train: Train,
        lack: Callable[[], str | None],
    ) -> None:
        """``policy`` says when one is due (None: never), ``lack`` what is missing for it."""
        self._registry, self._policy, self._train, self._lack = registry, policy, train, lack
        self._training: Training | None = None
        self._since_seconds: float | None = None
        self._lacked_at_seconds = float("-inf")
        self.outcome = "none was tried since the start"

    @property
    def runs(self) -> bool:
        """Whether one runs."""
        return self._training is not None

    def start(self) -> None:
        """End what a process that was killed left behind, and say whether new models can come."""
        clear(self._registry.folder)
        if self._policy is None:
            _log.info("no new models are trained: --no-retrain")
        elif (lack := self._lack()) is None:
            _log.info("new models are trained here when they are due")
        else:
            _log.info("no new models can be trained here: %s", lack)

    def finished(self) -> Finished | None:
        """What came of the one that runs; None while it does, and where none did."""
        done = None if self._training is None else self._training.finished()
        if done is not None:
            self._training = None
            self._say(done.reason)
        return done

    def begin_if_due(
        self,
        state: RegistryState,
        drift: Drift,
        history: Callable[[], Arrays | None],
        now_seconds: float,
    ) -> None:
        """Begin one where it is due; ``history`` gives what to learn from, None for nothing."""
        if self._policy is None or self.runs or state.challenger is not None:
            return
        if self._since_seconds is None:
            self._since_seconds = now_seconds
        last = state.last_training_seconds
        last = self._since_seconds if last is None else last
        reason = why_retrain(self._policy, drift, last_seconds=last, now_seconds=now_seconds)
        if reason is None or now_seconds - self._lacked_at_seconds < self._policy.pause_seconds:
            return
        lack = self._lack()
        known = history() if lack is None else None
        if lack is not None or known is None:
            # Not noted for all: another process may have what lacks here.
            self._lacked_at_seconds = now_seconds
            self._say(f"not trained ({reason}): {lack or 'there is no history'}")
            return
        if not self._registry.claim_training(state.last_training_seconds, now_seconds):
            return  # another process of the group trains
        clear(self._registry.folder)
        try:
            self._training = self._train(known, now_seconds)
        except OSError as error:
            self._say(f"not trained ({reason}): {error}")
        else:
            self._say(f"training since {now_seconds:.0f}: {reason}")

    def close(self) -> None:
        """End one that runs."""
        if self._training is not None:
            self._training.stop()
            self._training = None

    def _say(self, line: str) -> None:
        self.outcome = line
        _log.info("%s", line)


def clear(folder: Path) -> None:
    """Clear orphans away, and tell of them."""
    for name in clear_orphans(folder):
        _log.warning("%s was left by a process that is gone; it is cleared away", name)
