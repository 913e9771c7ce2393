"""Which models serve: follows the registry, judges the challenger, and has new ones trained.

For the forecaster's thread; a training runs in a process of its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from energy.errors import NegawattError
from forecaster.challenge import ChallengePolicy, judge
from forecaster.contract import Arrays, ForecastEngine
from forecaster.core import Core
from forecaster.models_report import SHIPPED_FOLDER, ModelsReport, models_report
from forecaster.own_errors import LSTM
from forecaster.registry import DESCRIPTION, SHIPPED, Registry, RegistryState
from forecaster.retraining import (
    Drift,
    RetrainingPolicy,
    Training,
    missing_libraries,
    why_retrain,
)
from forecaster.shadow import Shadow
from ledger.action import ActionDecision

_log = logging.getLogger(__name__)
_REASON_MAX = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What becomes of models.

    Attributes:
        challenge: when a challenger takes over.
        retraining: when new models are trained; None is never.
        challenger_keys_max: how many workloads a challenger forecasts.
        training_keys_max: of how many workloads the history is trained on.
        budget_seconds: what a training may take.
    """

    challenge: ChallengePolicy = field(default_factory=ChallengePolicy)
    retraining: RetrainingPolicy | None = field(default_factory=RetrainingPolicy)
    challenger_keys_max: int = 500
    training_keys_max: int = 500
    budget_seconds: float = 3600.0
    seed: int = 1


Train = Callable[[Arrays, float], Training]


class ModelChanges:
    """Keeps the core's engine that of the registry's champion."""

    def __init__(
        self,
        registry: Registry,
        core: Core,
        engine_of: Callable[[str], ForecastEngine],
        options: ModelOptions,
        *,
        train: Train | None = None,
        lack: Callable[[], str | None] = missing_libraries,
    ) -> None:
        """``engine_of`` makes an engine of a version; raises NegawattError where it cannot."""
        self._registry, self._core = registry, core
        self._engine_of, self._options = engine_of, options
        self._train = train or self._start
        self._lack = lack
        self._training: Training | None = None
        self._since_seconds: float | None = None
        self._refused: set[str] = set()
        self.state = RegistryState()
        self.serving = ""
        self.training_outcome = "none was tried since the start"
        self.trained_ratio: float | None = None

    @property
    def trains(self) -> bool:
        """Whether a training runs."""
        return self._training is not None

    def start(self) -> None:
        """Find who serves: where a champion cannot be loaded, the shipped version does.

        The core begins with an engine of that one. Raises NegawattError.
        """
        self.state = self._registry.state()
        champion = self.state.champion
        engine = None if champion == SHIPPED else self._made(champion)
        if engine is not None:
            self._core.engine = engine
        self._serves(SHIPPED if engine is None else champion)

    def turn(self, now_seconds: float) -> tuple[ActionDecision, ...]:
        """Look at the registry, the challenger and the training; once a minute is enough.

        Gives back what is to go to the ledger.
        """
        try:
            self.state = self._registry.state()
            records = (*self._follow(now_seconds), *self._judge(now_seconds))
            self._look_at_training(now_seconds)
        except NegawattError as error:
            _log.warning("models stay as they are: %s", error)
            return ()
        return records

    def report(self) -> ModelsReport:
        """Versions, who serves, and how they do; from any thread."""
        shadow = self._core.shadow
        verdict = None if shadow is None else judge(shadow.contest, self._options.challenge).reason
        return models_report(
            self._registry,
            serving=self.serving,
            verdict=verdict,
            training=self.training_outcome,
            errors=self._core.errors.pooled(),
        )

    def close(self) -> None:
        """End a training that runs."""
        if self._training is not None:
            self._training.stop()
            self._training = None

    def _follow(self, now_seconds: float) -> tuple[ActionDecision, ...]:
        """Serve what the registry says, and begin with its challenger."""
        champion, challenger = self.state.champion, self.state.challenger
        records: tuple[ActionDecision, ...] = ()
        if champion != self.serving and (engine := self._made(champion)) is not None:
            before = self.serving
            self._core.swap(engine)
            self._serves(champion)
            reason = self.state.history[-1].reason if self.state.history else "as registered"
            records = (_record("serve", champion, before, reason, now_seconds),)
        shadow = self._core.shadow
        if shadow is not None and shadow.version != challenger:
            self._core.shadow = None
        if challenger and self._core.shadow is None:
            engine = self._made(challenger)
            if engine is None:
                self._registry.dismiss(challenger, "it cannot be loaded", now_seconds)
                return records
            self._core.shadow = Shadow(
                challenger,
                engine,
                self._core.engine,
                keys_max=self._options.challenger_keys_max,
                minute=int(now_seconds // 60),
            )
        return records

    def _made(self, version: str) -> ForecastEngine | None:
        if version in self._refused:
            return None
        try:
            return self._engine_of(version)
        except NegawattError as error:
            _log.warning("version %s cannot be loaded: %s", version, error)
            self._refused.add(version)
            return None

    def _serves(self, version: str) -> None:
        self.serving = version
        path = None if version == SHIPPED else self._registry.folder / version
        self.trained_ratio = trained_ratio(path)

    def _judge(self, now_seconds: float) -> tuple[ActionDecision, ...]:
        shadow = self._core.shadow
        if shadow is None:
            return ()
        verdict = judge(shadow.contest, self._options.challenge)
        if verdict.outcome == "wait":
            return ()
        if verdict.outcome == "dismiss":
            self.state = self._registry.dismiss(shadow.version, verdict.reason, now_seconds)
            self._core.shadow = None
            _log.info("challenger %s goes: %s", shadow.version, verdict.reason)
            return (_record("dismiss", shadow.version, self.serving, verdict.reason, now_seconds),)
        before = self.serving
        self.state = self._registry.promote(shadow.version, verdict.reason, now_seconds)
        engine = self._made(shadow.version)
        if engine is not None:
            self._core.swap(engine)
            self._serves(shadow.version)
        _log.info("%s serves in place of %s: %s", shadow.version, before, verdict.reason)
        return (_record("promote", shadow.version, before, verdict.reason, now_seconds),)

    def _look_at_training(self, now_seconds: float) -> None:
        if self._training is not None:
            done = self._training.finished()
            if done is None:
                return
            self._training = None
            self._say(done.reason)
            if done.version is not None:
                self.state = self._registry.challenge(done.version, done.reason, now_seconds)
            return
        policy = self._options.retraining
        if policy is None or self.state.challenger is not None:
            return
        if self._since_seconds is None:
            self._since_seconds = now_seconds
        last = self.state.last_training_seconds
        last = self._since_seconds if last is None else last
        reason = why_retrain(policy, self._drift(), last_seconds=last, now_seconds=now_seconds)
        if reason is None:
            return
        if (lack := self._lack()) is not None:
            self._since_seconds = now_seconds
            self._registry.claim_training(self.state.last_training_seconds, now_seconds)
            self._say(f"not trained ({reason}): {lack}")
            return
        self._begin(reason, now_seconds)

    def _begin(self, reason: str, now_seconds: float) -> None:
        if not self._registry.claim_training(self.state.last_training_seconds, now_seconds):
            return  # another process of the group trains
        known = self._core.engine.keys()
        keys = known[:: max(1, -(-len(known) // self._options.training_keys_max))]
        if not keys:
            self._say(f"not trained ({reason}): there is no history")
            return
        try:
            self._training = self._train(self._core.engine.export(keys), now_seconds)
        except OSError as error:
            self._say(f"not trained ({reason}): {error}")
        else:
            self._say(f"training since {now_seconds:.0f}: {reason}")

    def _start(self, history: Arrays, now_seconds: float) -> Training:
        return Training(
            self._registry.folder,
            history,
            seed=self._options.seed,
            budget_seconds=self._options.budget_seconds,
            now_seconds=now_seconds,
        )

    def _drift(self) -> Drift:
        recent = self._core.errors.pooled().get(LSTM)
        return Drift(
            scored_count=0.0 if recent is None else recent.scored_count,
            recent_ratio=None if recent is None else recent.relative_mae_ratio,
            trained_ratio=self.trained_ratio,
        )

    def _say(self, line: str) -> None:
        self.training_outcome = line
        _log.info("%s", line)


def trained_ratio(folder: Path | None) -> float | None:
    """The LSTM's relative MAE in validation, as a version's description has it; None if not."""
    path = (folder or SHIPPED_FOLDER) / DESCRIPTION
    try:
        value = json.loads(path.read_bytes())["validation"][LSTM]["relative_mae_ratio"]
        return float(value)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record(
    action: str, version: str, replaced: str, reason: str, now_seconds: float
) -> ActionDecision:
    return ActionDecision(
        decided_at_seconds=now_seconds,
        mode="act" if action != "dismiss" else "observe",
        kind="forecast",
        namespace="",
        subject_kind="Models",
        subject_name=version,
        action=action,
        rule="champion-challenger",
        reason=reason[:_REASON_MAX] or action,
        detail={"replaced": replaced},
    )
