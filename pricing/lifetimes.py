"""Predictions of how much longer a pod runs, given its age, from what has been seen of its owner.

A pod that has outlived most of its kind is expected to stay: predictions are conditional on the
age, so asking again as pods age corrects a wrong first guess (NILAS, arXiv 2412.09840).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from energy.units import SECONDS_PER_HOUR
from pricing.lifetime_survival import (
    CELLS,
    CELLS_PER_DOUBLING,
    EDGE_SECONDS,
    LifeTable,
    Stays,
    lasting_hazards,
)

# Nothing is expected to stay longer than this: far beyond it no plan depends on the difference.
HORIZON_SECONDS = 7 * 24 * SECONDS_PER_HOUR
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


def owner_key(pod: Pod) -> OwnerKey | None:
    """What a pod's lifetime is learnt by; None where it has no owner."""
    return None if pod.owner is None else (pod.namespace, pod.owner.kind, pod.owner.name)


class LifetimeCurve:
    """Predictions by age for one kind of pod, tabulated from its hazards (one per cell)."""

    def __init__(self, hazards: NDArray[np.float64]) -> None:
        # Within a cell stays end evenly; beyond the last edge none ends.
        self._ages = np.concatenate([[0.0], EDGE_SECONDS, [2.0 * EDGE_SECONDS[-1]]])
        survival = np.concatenate([[1.0], np.cumprod(1.0 - hazards)])
        self._survival = np.append(survival, survival[-1])
        areas = np.diff(self._ages) * (self._survival[1:] + self._survival[:-1]) / 2.0
        area = np.concatenate([[0.0], np.cumsum(areas)])
        until = np.interp(self._ages + HORIZON_SECONDS, self._ages, area)
        alive = self._survival > 0
        expected = np.where(alive, (until - area) / np.where(alive, self._survival, 1.0), 0.0)
        self._expected: list[float] = np.clip(expected, 0.0, HORIZON_SECONDS).tolist()

    def expected_seconds(self, age_seconds: float) -> float:
        """Expected remaining time, between the two nearest entries of the table."""
        if age_seconds < 1.0:
            low, share = 0, max(age_seconds, 0.0)
        else:
            place = min(math.log2(age_seconds) * CELLS_PER_DOUBLING, CELLS - 1.0)
            low = int(place) + 1
            share = place + 1 - low
        before = self._expected[low]
        return before + share * (self._expected[low + 1] - before)

    def outlasting(self, age_seconds: float) -> float:
        """Share of such pods that outlast the age."""
        return float(np.interp(age_seconds, self._ages, self._survival))

    def quantile_seconds(self, age_seconds: float, share: float) -> float:
        """Remaining time within which this share leaves; at most ``HORIZON_SECONDS``."""
        left = self.outlasting(age_seconds) * (1.0 - share)
        if left < self._survival[-1]:
            return HORIZON_SECONDS
        # The first age at which no more than that are left.
        after = int(np.searchsorted(-self._survival, -left, side="left"))
        if after == 0:
            return 0.0
        low, high = self._survival[after], self._survival[after - 1]
        step = (high - left) / (high - low) * (self._ages[after] - self._ages[after - 1])
        return float(np.clip(self._ages[after - 1] + step - age_seconds, 0.0, HORIZON_SECONDS))


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
