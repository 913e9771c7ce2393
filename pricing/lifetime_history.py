"""What an observer of pods knows of their lifetimes at a moment, and the model fitted to it.

Only what has been told by then counts: a pod that still runs is a stay that has not ended.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from cluster.model import Pod
from energy.units import SECONDS_PER_HOUR
from pricing.lifetime_survival import Stays
from pricing.lifetimes import OwnerKey, OwnerLifetimes, owner_key

REFIT_SECONDS = SECONDS_PER_HOUR
# The latest stays tell the most, and memory is finite.
STAYS_MAX = 200_000
# A pod that is back under its name this soon was moved: its work goes on.
MOVED_WITHIN_SECONDS = 600.0


@dataclass(slots=True)
class _Stay:
    """A pod under observation, in seconds on the observer's clock."""

    owner: OwnerKey | None
    began_seconds: float
    seen_seconds: float
    ended_seconds: float | None = None


class LifetimeHistory:
    """Collects stays from arrivals and departures and fits a model to them at intervals."""

    def __init__(self, *, refit_seconds: float = REFIT_SECONDS, stays_max: int = STAYS_MAX) -> None:
        self._refit_seconds = refit_seconds
        self._present: dict[tuple[str, str], _Stay] = {}
        self._past: deque[_Stay] = deque(maxlen=stays_max)
        self._fitted_seconds = -math.inf
        self._model = OwnerLifetimes.fit(*self._stays(0.0))

    def arrived(self, pod: Pod, now_seconds: float, *, age_seconds: float = 0.0) -> None:
        """A pod runs; ``age_seconds`` is how long it has run already when it is first seen."""
        key = pod.namespace, pod.name
        stay = self._present.get(key)
        if stay is not None:
            ended = stay.ended_seconds
            if ended is None or now_seconds - ended <= MOVED_WITHIN_SECONDS:
                stay.ended_seconds = None
                return
            self._past.append(stay)
        self._present[key] = _Stay(owner_key(pod), now_seconds - age_seconds, now_seconds)

    def left(self, pod: Pod, now_seconds: float) -> None:
        """A pod has ended, or was evicted: if it is back soon, its stay goes on."""
        stay = self._present.get((pod.namespace, pod.name))
        if stay is not None and stay.ended_seconds is None:
            stay.ended_seconds = now_seconds

    def age_seconds(self, pod: Pod, now_seconds: float) -> float:
        """How long the pod has run; 0 for one that has not been seen."""
        stay = self._present.get((pod.namespace, pod.name))
        return 0.0 if stay is None else max(0.0, now_seconds - stay.began_seconds)

    def model(self, now_seconds: float) -> OwnerLifetimes:
        """The model, fitted anew to all that is known by now if the last fit is too old."""
        if now_seconds - self._fitted_seconds >= self._refit_seconds:
            self._model = OwnerLifetimes.fit(*self._stays(now_seconds))
            self._fitted_seconds = now_seconds
        return self._model

    def _stays(self, now_seconds: float) -> tuple[Stays, list[OwnerKey | None]]:
        for key, stay in list(self._present.items()):
            ended = stay.ended_seconds
            if ended is not None and now_seconds - ended > MOVED_WITHIN_SECONDS:
                self._past.append(self._present.pop(key))
        stays = [*self._past, *self._present.values()]
        until = [now_seconds if s.ended_seconds is None else s.ended_seconds for s in stays]
        began = np.array([stay.began_seconds for stay in stays])
        return Stays(
            np.array([stay.seen_seconds for stay in stays]) - began,
            np.array(until) - began,
            np.array([stay.ended_seconds is not None for stay in stays], dtype=np.bool_),
        ), [stay.owner for stay in stays]
