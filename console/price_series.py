"""The prices that a policy went by over a run, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from console.price_report import names_of
from pricing.linear_model import Floats
from simulator.comparison import StreamScenario
from simulator.engine import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSeries:
    """Prices of the running mix, each in force from its second to the next one's.

    ``watts_per_core`` and ``watts_per_gibibyte`` have the shape (moments, classes).
    """

    policy: str
    classes: Sequence[str]
    seconds: Floats
    end_seconds: float
    watts_per_core: Floats
    watts_per_gibibyte: Floats
    sources: Sequence[str]

    @classmethod
    def of(cls, scenario: StreamScenario, runs: Mapping[str, Run]) -> PriceSeries | None:
        """The prices of the first policy that has any: the others price the same pods."""
        for policy, run in runs.items():
            moments = run.price_moments
            if moments:
                return cls(
                    policy=policy,
                    classes=names_of(scenario.fleet.classes.classes),
                    seconds=np.array([moment.seconds for moment in moments]),
                    end_seconds=run.end_seconds,
                    watts_per_core=np.stack([moment.watts_per_core for moment in moments]),
                    watts_per_gibibyte=np.stack([one.watts_per_gibibyte for one in moments]),
                    sources=[str(moment.source) for moment in moments],
                )
        return None

    def to_json(self) -> dict[str, Any]:
        """The series as plain values, prices by class."""
        return {
            "policy": self.policy,
            "seconds": self.seconds.tolist(),
            "sources": list(self.sources),
            "watts_per_core": self._by_class(self.watts_per_core),
            "watts_per_gibibyte": self._by_class(self.watts_per_gibibyte),
        }

    def _by_class(self, prices: Floats) -> dict[str, list[float]]:
        return dict(zip(self.classes, prices.T.round(4).tolist(), strict=True))
