"""Which models serve: follows the registry, judges the challenger, and has new ones trained.

For the forecaster's thread; a training runs in a process of its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from energy.errors import NegawattError
from forecaster.challenge import DAY_SECONDS, ChallengePolicy, Verdict, judge
from forecaster.contract import Arrays, ForecastEngine
from forecaster.core import Core
from forecaster.faults import ModelFault, fails_alike
from forecaster.models_report import SHIPPED_FOLDER, ModelsReport, models_report
from forecaster.own_errors import LSTM
from forecaster.registry import DESCRIPTION, SHIPPED, Registry, RegistryState, watched
from forecaster.retraining import Drift, RetrainingPolicy, Training, missing_libraries
from forecaster.shadow import Shadow
from forecaster.trainings import Train, Trainings
from forecaster.trial import require_forecasts
from ledger.action import ActionDecision

_log = logging.getLogger(__name__)
_REASON_MAX = 4000
#: Models that fail are not tried against others more often; after each time in vain, half as often.
MEND_SECONDS: Final = 60.0
MEND_SECONDS_MAX: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What becomes of models.

    Attributes:
        challenge: when a challenger takes over.
        retraining: when new models are trained; None is never.
        challenger_keys_max: how many workloads a challenger forecasts.
        training_keys_max: of how many workloads the history is trained on.
        versions_max: how many versions of trainings are kept.
        watch_seconds: for how long after a promotion who served before goes on in the shadow.
        budget_seconds: what a training may take.
    """

    challenge: ChallengePolicy = field(default_factory=ChallengePolicy)
    retraining: RetrainingPolicy | None = field(default_factory=RetrainingPolicy)
    challenger_keys_max: int = 500
    training_keys_max: int = 500
    versions_max: int = 5
    watch_seconds: float = 8 * DAY_SECONDS
    budget_seconds: float = 3600.0
    seed: int = 1


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
        self._trainings = Trainings(registry, options.retraining, train or self._start, lack)
        self._refused: dict[str, str] = {}
        self._watched_enough: set[str] = set()
        self._broken = ""
        self._mended_at = float("-inf")
        self._mend_seconds = MEND_SECONDS
        self.state = RegistryState()
        self.serving = ""
        self.trained_ratio: float | None = None

    @property
    def trains(self) -> bool:
        """Whether a training runs."""
        return self._trainings.runs

    @property
    def training_outcome(self) -> str:
        """What came of the last training, or why there was none."""
        return self._trainings.outcome

    @property
    def trouble(self) -> str:
        """Why not the registry's champion serves, in one line; empty while it does."""
        if self._broken:
            return f"{self.serving} serves, since the registry cannot be followed: {self._broken}"
        champion = self.state.champion
        if self.serving == champion:
            return ""
        why = self._refused.get(champion, "it is not loaded yet")
        return f"{self.serving} serves in place of {champion}: {why}"

    def start(self) -> None:
        """Find who serves: the champion, else who served before, else the shipped version.

        The core begins with an engine of the last. A registry that is broken does not hinder.
        """
        try:
            self.state, self._broken = self._registry.state(), ""
        except NegawattError as error:
            self._broken = str(error)
        serving = SHIPPED
        for version in (self.state.champion, self.state.previous or SHIPPED):
            if version == SHIPPED:
                break
            if (engine := self._made(version)) is not None:
                self._core.engine, serving = engine, version
                break
        self._serves(serving)
        if self.trouble:
            _log.warning("%s", self.trouble)
        self._trainings.start()

    def turn(self, now_seconds: float) -> tuple[ActionDecision, ...]:
        """Look at the registry, the challenger and the training; once a minute is enough.

        Gives back what is to go to the ledger.
        """
        try:
            self.state, self._broken = self._registry.state(), ""
            records = (*self._follow(now_seconds), *self._judge(now_seconds))
            self._look_at_training(now_seconds)
        except NegawattError as error:
            self._broken = str(error)
            _log.warning("models stay as they are: %s", error)
            return ()
        return records

    def mend(self, now_seconds: float) -> tuple[ActionDecision, ...]:
        """Where the models that serve fail at their work, let others serve that do not.

        Those that served before, or else the shipped ones; if they fail at the same, it is no fault
        of models and nothing changes. Gives back what is to go to the ledger.
        """
        fault, self._core.fault = self._core.fault, None
        idle_seconds = abs(now_seconds - self._mended_at)
        if fault is None or idle_seconds < self._mend_seconds:
            return ()
        if idle_seconds > 2 * self._mend_seconds:  # no fault for a while: this is another one
            self._mend_seconds = MEND_SECONDS
        self._mended_at = now_seconds
        failed = self.serving
        if (found := self._core.fault_again(fault)) is None:
            return ()
        for version in dict.fromkeys((self.state.previous or SHIPPED, SHIPPED)):
            if version != failed and self._stands_in(version, found):
                self._mend_seconds = MEND_SECONDS
                self._refuse(failed, f"it failed at work: it {found.why}")
                return (_record("fall-back", version, failed, found.why, now_seconds),)
        self._mend_seconds = min(2 * self._mend_seconds, MEND_SECONDS_MAX)
        return ()

    def _stands_in(self, version: str, fault: ModelFault) -> bool:
        """Let a version serve in place of one that fails; False, and nothing changes, if it can't.

        The registry stays as it is: elsewhere its champion may do.
        """
        engine = self._made(version)
        if engine is None or fails_alike(engine, self._core.engine, fault):
            return False
        return self._takes_over(version)

    def report(self) -> ModelsReport:
        """Versions, who serves, and how they do; from any thread."""
        shadow = self._core.shadow
        verdict = None
        if shadow is not None:
            judged = judge(shadow.contest, self._options.challenge, shadow.looks_taken)
            verdict = f"{shadow.version}: {judged.reason}"
        return models_report(
            self._registry,
            self.state,
            serving=self.serving,
            trouble=self.trouble or None,
            verdict=verdict,
            training=self.training_outcome,
            errors=self._core.errors.pooled(),
        )

    def close(self) -> None:
        """End a training that runs."""
        self._trainings.close()

    def _follow(self, now_seconds: float) -> tuple[ActionDecision, ...]:
        """Serve what the registry says, and begin with its challenger, or who served before."""
        failures = self._core.shadow_failures
        while failures:
            self._refuse(*failures.popitem())
        champion, before = self.state.champion, self.serving
        records: tuple[ActionDecision, ...] = ()
        if champion != before and self._takes_over(champion):
            reason = self.state.history[-1].reason if self.state.history else "as registered"
            records = (_record("serve", champion, before, reason, now_seconds),)
        beside = self.state.challenger or self._watched(now_seconds)
        shadow = self._core.shadow
        if shadow is not None and shadow.version != beside:
            self._core.shadow = None
        if not beside:
            self._core.contests.clear()  # of whoever challenged before
        elif self._core.shadow is None:
            if (begun := self._shadow(beside, now_seconds)) is not None:
                self._core.begin_shadow(begun)
            else:
                why = self._refused.get(beside, "it cannot be loaded")
                self.state = self._registry.dismiss(beside, why, now_seconds)
        return records

    def _watched(self, now_seconds: float) -> str | None:
        """Who served before a champion that was promoted lately, while it is not settled."""
        if self.serving != self.state.champion or self.serving in self._watched_enough:
            return None
        before = watched(self.state, now_seconds, self._options.watch_seconds)
        return None if before in self._refused else before

    def _shadow(self, version: str, now_seconds: float) -> Shadow | None:
        if (engine := self._made(version)) is None:
            return None
        try:
            return Shadow(
                version,
                engine,
                self._core.engine,
                keys_max=self._options.challenger_keys_max,
                minute=int(now_seconds // 60),
                against=self.serving,
                contests=self._core.contests.values(),
            )
        except Exception as error:  # noqa: BLE001 - of models that fit ours in no way
            self._refuse(version, error)
            return None

    def _takes_over(self, version: str) -> bool:
        """Let a version serve; False, and all stays as it was, where it cannot."""
        if (engine := self._made(version)) is None:
            return False
        try:
            self._core.swap(engine)
        except Exception as error:  # noqa: BLE001 - of models that fit ours in no way
            self._refuse(version, error)
            return False
        self._serves(version)
        return True

    def _made(self, version: str) -> ForecastEngine | None:
        """An engine that has shown that it forecasts; None, now and later, where there is none."""
        if version in self._refused:
            return None
        try:
            engine = self._engine_of(version)
            require_forecasts(engine, version)
        except NegawattError as error:
            self._refuse(version, error)
            return None
        return engine

    def _refuse(self, version: str, error: Exception | str) -> None:
        self._refused[version] = str(error) or type(error).__name__
        _log.warning("version %s cannot serve: %s", version, error)

    def _serves(self, version: str) -> None:
        self.serving = version
        path = None if version == SHIPPED else self._registry.folder / version
        self.trained_ratio = trained_ratio(path)

    def _judge(self, now_seconds: float) -> tuple[ActionDecision, ...]:
        shadow = self._core.shadow
        if shadow is None:
            return ()
        verdict = judge(shadow.contest, self._options.challenge, shadow.looks_taken)
        shadow.looks_taken = verdict.looks_taken
        if verdict.outcome == "wait":
            return ()
        if shadow.version != self.state.challenger:
            return self._settle(shadow, verdict, now_seconds)
        if verdict.outcome == "dismiss":
            self.state = self._registry.dismiss(shadow.version, verdict.reason, now_seconds)
            self._core.shadow = None
            _log.info("challenger %s goes: %s", shadow.version, verdict.reason)
            return (_record("dismiss", shadow.version, self.serving, verdict.reason, now_seconds),)
        self.state = self._registry.promote(shadow.version, verdict.reason, now_seconds)
        return self._served("promote", shadow.version, verdict, now_seconds)

    def _settle(
        self, shadow: Shadow, verdict: Verdict, now_seconds: float
    ) -> tuple[ActionDecision, ...]:
        """End the watch over a promoted champion: who served before serves again, or goes."""
        self._core.shadow = None
        self._watched_enough.add(self.serving)
        if verdict.outcome == "dismiss":
            _log.info(
                "%s stays; %s served before: %s", self.serving, shadow.version, verdict.reason
            )
            return ()
        self.state = self._registry.roll_back(
            shadow.version, verdict.reason, now_seconds, instead_of=self.serving
        )
        return self._served("roll-back", shadow.version, verdict, now_seconds)

    def _served(
        self, action: str, version: str, verdict: Verdict, now_seconds: float
    ) -> tuple[ActionDecision, ...]:
        """Serve who took over in the registry, unless somebody else changed it before."""
        before = self.serving
        if self.state.champion != version or not self._takes_over(version):
            return ()
        _log.info("%s serves in place of %s: %s", version, before, verdict.reason)
        return (_record(action, version, before, verdict.reason, now_seconds),)

    def _look_at_training(self, now_seconds: float) -> None:
        done = self._trainings.finished()
        if done is not None and done.version is not None:
            self.state = self._registry.challenge(done.version, done.reason, now_seconds)
            if gone := self._registry.prune(self._options.versions_max):
                _log.info("old versions are deleted: %s", ", ".join(gone))
        elif done is None:
            self._trainings.begin_if_due(self.state, self._drift(), self._history, now_seconds)

    def _history(self) -> Arrays | None:
        known = self._core.engine.keys()
        keys = known[:: max(1, -(-len(known) // self._options.training_keys_max))]
        return self._core.engine.export(keys) if keys else None

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
            recent_ratio=self._core.errors.typical_lstm_ratio(),
            trained_ratio=self.trained_ratio,
        )


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
