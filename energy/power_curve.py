"""How many watts a server draws at a utilisation: piecewise linear over measured load points.

Eleven points (active idle, then 10 to 100 % of the calibrated throughput) are what SPECpower
measures. A straight line from idle to peak is the fallback; over 464 measured servers it is off
by 4.4 % of the peak on average, because real curves rise fast at first and fast again at the end.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.errors import InputError

#: The load levels of a SPECpower_ssj2008 run: active idle and ten equal steps.
LOAD_LEVELS: Final = tuple(level / 10 for level in range(11))

#: Rounding of a caller's sums may leave a utilisation this far below zero.
ROUNDING_RATIO: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCurve:
    """Watts over utilisation, linear between its points.

    `utilisation_ratios` rise strictly from 0 to 1; `watts` are finite, not negative, and one for
    each ratio. The curve need not be monotone: some measured servers draw less at 10 % than idle.
    """

    utilisation_ratios: tuple[float, ...]
    watts: tuple[float, ...]

    def __post_init__(self) -> None:
        ratios, watts = self.utilisation_ratios, self.watts
        if len(ratios) != len(watts) or len(ratios) < 2:  # noqa: PLR2004 - a line has two ends
            raise InputError(
                f"a power curve has {len(ratios)} utilisations and {len(watts)} watts",
                mend="give as many watts as utilisations, two at least",
            )
        if not all(math.isfinite(value) and value >= 0 for value in watts):
            raise InputError(
                f"a power curve holds watts that are no finite number from 0 up: {watts}",
                mend="measure again, or leave the curve out",
            )
        rising = all(low < high for low, high in pairwise(ratios))
        if ratios[0] != 0 or ratios[-1] != 1 or not rising:
            raise InputError(
                f"the utilisations of a power curve do not rise from 0 to 1: {ratios}",
                mend="give them as ratios in ascending order, 0 first and 1 last",
            )

    @classmethod
    def linear(cls, idle_watts: float, peak_watts: float) -> Self:
        """Return the straight line from idle to peak, the fallback when nothing more is known."""
        return cls(utilisation_ratios=(0.0, 1.0), watts=(float(idle_watts), float(peak_watts)))

    @classmethod
    def from_load_levels(cls, watts: Sequence[float]) -> Self:
        """Return the curve over the eleven SPECpower load levels, from active idle to 100 %."""
        if len(watts) != len(LOAD_LEVELS):
            raise InputError(f"{len(watts)} load levels", mend="give 11: idle, 10 %, 20 % .. 100 %")
        return cls(utilisation_ratios=LOAD_LEVELS, watts=tuple(float(value) for value in watts))

    @property
    def idle_watts(self) -> float:
        """Watts without load."""
        return self.watts[0]

    @property
    def peak_watts(self) -> float:
        """Watts at full load (not always the largest watts of the curve)."""
        return self.watts[-1]

    def watts_at(self, utilisation_ratio: float) -> float:
        """Watts at a utilisation from 0 up; above 1 it stays at the peak. NaN is refused."""
        if not utilisation_ratio >= -ROUNDING_RATIO:
            raise InputError(
                f"utilisation {utilisation_ratio} is no ratio from 0 up",
                mend="give 0 for an idle node and 1 for a full one",
            )
        if utilisation_ratio >= 1:
            return self.watts[-1]
        if utilisation_ratio <= 0:
            return self.watts[0]
        right = bisect_right(self.utilisation_ratios, utilisation_ratio)
        low, high = self.utilisation_ratios[right - 1], self.utilisation_ratios[right]
        share = (utilisation_ratio - low) / (high - low)
        return self.watts[right - 1] * (1 - share) + self.watts[right] * share

    def watts_at_each(self, utilisation_ratios: ArrayLike) -> NDArray[np.float64]:
        """Watts at each utilisation of an array, of the same shape; the rules of `watts_at`."""
        ratios = np.asarray(utilisation_ratios, dtype=np.float64)
        if not (ratios >= -ROUNDING_RATIO).all():
            raise InputError(
                "an array of utilisations holds NaN or a negative ratio",
                mend="give 0 for an idle node and 1 for a full one",
            )
        return np.interp(ratios, self.utilisation_ratios, self.watts)

    def marginal_watts(self, from_ratio: float, to_ratio: float) -> float:
        """Watts that a change of utilisation adds (negative where it takes watts away)."""
        return self.watts_at(to_ratio) - self.watts_at(from_ratio)

    def scaled(self, factor: float) -> PowerCurve:
        """Return the same shape with all watts multiplied by a factor."""
        return PowerCurve(
            utilisation_ratios=self.utilisation_ratios,
            watts=tuple(value * factor for value in self.watts),
        )
