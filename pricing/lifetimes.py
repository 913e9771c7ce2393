"""Predictions of how much longer a pod runs, given its age, from what has been seen of its owner.

A pod that has outlived most of its kind is expected to stay: predictions are conditional on the
age, so asking again as pods age corrects a wrong first guess (NILAS, arXiv 2412.09840).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from pricing.lifetime_curve import AHEAD_SECONDS, HORIZON_SECONDS, LifetimeCurve
from pricing.lifetime_survival import LifeTable, Stays, lasting_hazards

# An owner's own past outweighs that of all pods once this many of its pods have been seen.
POOLED_STAYS = 8.0

# Namespace, kind and name of what made a pod; pods without an owner are told apart by nothing.
OwnerKey = tuple[str, str, str]


class LifetimeModel(Protocol):
    """Predicts the remaining lifetime of a pod."""

    def remaining_seconds(self, pod: Pod, age_seconds: float) -> float:
        """Expected time that the pod still runs, at most ``HORIZON_SECONDS``."""
        ...

    def quantile_seconds(self, pod: Pod, age_seconds: float, share: float) -> float:
        """Time within which such a pod leaves with the probability ``share``, 0-1."""
        ...

    def leaving_ratios(self, pod: Pod, age_seconds: float) -> NDArray[np.float64]:
        """Probability of having left, as means between the times of ``AHEAD_SECONDS`` from now.

        One entry per cell, ``AHEAD_CELLS`` of them; the caller must not write to them.
        """
        ...


def owner_key(pod: Pod) -> OwnerKey | None:
    """What a pod's lifetime is learnt by; None where it has no owner."""
    return None if pod.owner is None else (pod.namespace, pod.owner.kind, pod.owner.name)


class OwnerLifetimes:
    """Survival curves per owner, drawn towards that of all pods where an owner has few."""

    def __init__(self, pooled: LifetimeCurve, by_owner: Mapping[OwnerKey, LifetimeCurve]) -> None:
        self._pooled, self._by_owner = pooled, by_owner

    @classmethod
    def fit(
        cls, stays: Stays, owners: Sequence[OwnerKey | None], *, pooled_stays: float = POOLED_STAYS
    ) -> OwnerLifetimes:
        """Fit to what has been seen; ``owners`` has one entry per stay.

        Args:
            stays: the stays, those that go on included.
            owners: whose they are; stays of no owner count for the curve of all pods only.
            pooled_stays: how many stays the curve of all pods counts as in an owner's own.
        """
        names = {owner: number for number, owner in enumerate(dict.fromkeys(owners))}
        group = np.array([names[owner] for owner in owners], dtype=np.int64)
        table = LifeTable.of(stays, group, len(names))
        pooled = table.pooled().hazards(lasting_hazards(), 1.0)[0]
        hazards = table.hazards(pooled, pooled_stays)
        curves = {
            owner: LifetimeCurve(hazards[number])
            for owner, number in names.items()
            if owner is not None
        }
        return cls(LifetimeCurve(pooled), curves)

    def curve(self, pod: Pod) -> LifetimeCurve:
        """The curve of the pod's owner, or of all pods where nothing is known of it."""
        owner = pod.owner
        if owner is None:
            return self._pooled
        return self._by_owner.get((pod.namespace, owner.kind, owner.name), self._pooled)

    def remaining_seconds(self, pod: Pod, age_seconds: float) -> float:
        """Expected time that the pod still runs, at most ``HORIZON_SECONDS``."""
        return self.curve(pod).expected_seconds(age_seconds)

    def quantile_seconds(self, pod: Pod, age_seconds: float, share: float) -> float:
        """Time within which such a pod leaves with the probability ``share``, 0-1."""
        return self.curve(pod).quantile_seconds(age_seconds, share)

    def leaving_ratios(self, pod: Pod, age_seconds: float) -> NDArray[np.float64]:
        """Probability of having left by the times ahead, shape (``AHEAD_CELLS``,)."""
        return self.curve(pod).leaving_ratios(age_seconds)


class KnownLifetimes:
    """True lifetimes by (namespace, name), for ablation: no one knows them outside a simulation.

    A pod that outlives what was said of it leaves at any moment.
    """

    def __init__(self, lifetime_seconds: Mapping[tuple[str, str], float]) -> None:
        self._lifetime_seconds = lifetime_seconds

    def remaining_seconds(self, pod: Pod, age_seconds: float) -> float:
        """What is left of the pod's lifetime, at most ``HORIZON_SECONDS``."""
        rest = self._lifetime_seconds[pod.namespace, pod.name] - age_seconds
        return min(max(rest, 0.0), HORIZON_SECONDS)

    def quantile_seconds(self, pod: Pod, age_seconds: float, share: float) -> float:  # noqa: ARG002 - a LifetimeModel
        """The same, whatever the share: nothing is uncertain."""
        return self.remaining_seconds(pod, age_seconds)

    def leaving_ratios(self, pod: Pod, age_seconds: float) -> NDArray[np.float64]:
        """0 before the pod leaves, 1 after, the share of the cell in which it does."""
        rest = self._lifetime_seconds[pod.namespace, pod.name] - age_seconds
        return np.clip((AHEAD_SECONDS[1:] - rest) / np.diff(AHEAD_SECONDS), 0.0, 1.0)


class ShuffledLifetimes:
    """The control: each pod gets the prediction of another, drawn once for it by the seed.

    What a rule gains with it is not due to knowing lifetimes.
    """

    def __init__(self, model: LifetimeModel, pods: Sequence[Pod], seed: int) -> None:
        others = np.random.default_rng(seed).permutation(len(pods)).tolist()
        self._model = model
        self._other = {
            (pod.namespace, pod.name): pods[other] for pod, other in zip(pods, others, strict=True)
        }

    def remaining_seconds(self, pod: Pod, age_seconds: float) -> float:
        """What the model expects of the other pod."""
        return self._model.remaining_seconds(self._other[pod.namespace, pod.name], age_seconds)

    def quantile_seconds(self, pod: Pod, age_seconds: float, share: float) -> float:
        """The quantile of the other pod."""
        other = self._other[pod.namespace, pod.name]
        return self._model.quantile_seconds(other, age_seconds, share)

    def leaving_ratios(self, pod: Pod, age_seconds: float) -> NDArray[np.float64]:
        """When the other pod leaves."""
        other = self._other[pod.namespace, pod.name]
        return self._model.leaving_ratios(other, age_seconds)
