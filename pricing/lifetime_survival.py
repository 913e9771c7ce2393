"""How long things last: the product-limit estimate, exact and on a grid of ages.

Stays may still last when they are looked at (right-censored) and may have been there before anyone
looked (left-truncated): a pod found running at the age of a day says nothing on the first day.

Kaplan and Meier, Nonparametric estimation from incomplete observations, JASA 53 (1958).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy.errors import InputError

# Cells of a grid of ages per doubling of the age: the edges lie 9 % apart.
CELLS_PER_DOUBLING = 8
# The first cell holds everything below a second, the last ends after 388 days.
DOUBLINGS = 25
CELLS = 1 + DOUBLINGS * CELLS_PER_DOUBLING
# Ages at which the cells end, in seconds; cell c lies between edges c - 1 and c.
EDGE_SECONDS = 2.0 ** (np.arange(CELLS) / CELLS_PER_DOUBLING)
# Before anything has been seen, half of all pods are expected to outlast an hour.
LASTING_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Stays:
    """Stays under observation, one entry each.

    Each was watched from the age ``from_seconds`` (0 when it was seen to begin) to the age
    ``until_seconds``, and ``ended`` then or goes on.
    """

    from_seconds: NDArray[np.float64]
    until_seconds: NDArray[np.float64]
    ended: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if not (len(self.from_seconds) == len(self.until_seconds) == len(self.ended)):
            raise InputError("the columns of stays differ in length")
        if not ((self.from_seconds >= 0) & (self.from_seconds <= self.until_seconds)).all():
            raise InputError("a stay begins before the age of 0 or ends before it begins")

    def __len__(self) -> int:
        return len(self.ended)

    @classmethod
    def known_by(
        cls,
        now_seconds: float,
        began_seconds: NDArray[np.float64],
        lifetime_seconds: NDArray[np.float64],
    ) -> tuple[Stays, NDArray[np.bool_]]:
        """What was known of recorded stays at a moment, and which of them had begun before it."""
        begun = began_seconds < now_seconds
        began, lifetimes = began_seconds[begun], lifetime_seconds[begun]
        ended = began + lifetimes <= now_seconds
        until = np.where(ended, lifetimes, now_seconds - began)
        return cls(np.zeros(len(began)), until, ended), begun


@dataclass(frozen=True, slots=True)
class Survival:
    """The share of stays that outlast an age: 1 before the first entry, then a falling step.

    ``age_seconds`` are the ages at which stays ended, ``ratio`` the share left just after each.
    """

    age_seconds: NDArray[np.float64]
    ratio: NDArray[np.float64]

    def at(self, age_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share that outlasts each age."""
        steps = np.concatenate([[1.0], self.ratio])
        return steps[np.searchsorted(self.age_seconds, age_seconds, side="right")]


def kaplan_meier(stays: Stays) -> Survival:
    """The product-limit estimate. At equal ages stays end before others are lost from sight."""
    ages = np.unique(stays.until_seconds[stays.ended])
    ends = np.searchsorted(np.sort(stays.until_seconds[stays.ended]), ages, side="right")
    ended = np.diff(ends, prepend=0)
    # A stay seen to begin is there at the age of 0, and one seen for an instant at that instant.
    instants = stays.from_seconds == stays.until_seconds
    since = np.where(instants, np.nextafter(stays.from_seconds, -1.0), stays.from_seconds)
    since = np.where(stays.from_seconds == 0.0, -1.0, since)
    entered = np.searchsorted(np.sort(since), ages, side="left")
    gone = np.searchsorted(np.sort(stays.until_seconds), ages, side="left")
    return Survival(ages, np.cumprod(1.0 - ended / (entered - gone)))


@dataclass(frozen=True, slots=True)
class LifeTable:
    """Stays counted on the grid of ages: who ended in each cell, of how many that were there.

    Both arrays have shape (groups, ``CELLS``). An age is rounded up to the end of its cell.
    """

    ended: NDArray[np.float64]
    at_risk: NDArray[np.float64]

    @classmethod
    def of(cls, stays: Stays, group_of_stay: NDArray[np.int64], groups: int) -> LifeTable:
        """Count the stays of each group; one first seen in the cell it was last seen in is lost."""
        first = np.where(stays.from_seconds > 0, cell_of(stays.from_seconds) + 1, 0)
        last = cell_of(stays.until_seconds)
        seen = first <= last
        first, last, group = first[seen], last[seen], group_of_stay[seen]
        ended = np.zeros((groups, CELLS))
        np.add.at(ended, (group[stays.ended[seen]], last[stays.ended[seen]]), 1.0)
        there = np.zeros((groups, CELLS + 1))
        np.add.at(there, (group, first), 1.0)
        np.add.at(there, (group, last + 1), -1.0)
        return cls(ended, np.cumsum(there, axis=1)[:, :CELLS])

    def pooled(self) -> LifeTable:
        """All groups as one, shape (1, ``CELLS``)."""
        return LifeTable(
            self.ended.sum(axis=0, keepdims=True), self.at_risk.sum(axis=0, keepdims=True)
        )

    def hazards(self, prior: NDArray[np.float64], prior_stays: float) -> NDArray[np.float64]:
        """Share of those there that end in each cell, drawn towards ``prior``.

        The prior counts as much as ``prior_stays`` stays in every cell (the mean of a beta
        posterior), so a group is its own where it has been seen often, and like the prior at ages
        that it has not been seen at. With 0 it is the product-limit estimate, and the prior only
        where nothing has been seen.
        """
        weight = self.at_risk + prior_stays
        seen = weight > 0
        return np.where(
            seen, (self.ended + prior_stays * prior) / np.where(seen, weight, 1.0), prior
        )


def cell_of(age_seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """The grid's cell of each age; ages beyond the last cell count in it."""
    cells = np.searchsorted(EDGE_SECONDS, age_seconds, side="left")
    return np.minimum(cells, CELLS - 1).astype(np.int64)


def lasting_hazards() -> NDArray[np.float64]:
    """Hazards where nothing is known, shape (``CELLS``,): what has lasted is expected to last.

    Half outlast ``LASTING_SECONDS``; of what is much older, half outlast twice its age (a Lomax
    distribution of shape 1, the mildest assumption for ages at which nothing has been seen).
    """
    outlasting = LASTING_SECONDS / (LASTING_SECONDS + np.concatenate([[0.0], EDGE_SECONDS]))
    return 1.0 - outlasting[1:] / outlasting[:-1]
