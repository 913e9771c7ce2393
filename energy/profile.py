"""What a node draws in every state, where that is known from, and how far it can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from energy.errors import InputError
from energy.power_curve import PowerCurve

#: Sleep and wake figures where nobody measured them: assumptions of our prototype study of fleets
#: (5 W asleep for the management controller, 120 s to boot at peak watts, 30 s to shut down at
#: idle watts). They are conservative for boards that suspend, plain for those that power off.
SLEEP_WATTS: Final = 5.0
WAKE_SECONDS: Final = 120.0
SHUTDOWN_SECONDS: Final = 30.0

#: Stands for "derive it from the curve": no energy can be minus infinity.
DERIVED: Final = -math.inf


class Scope(StrEnum):
    """What a meter or a table sees: the wall plug, or only the CPU packages."""

    WALL = "wall"
    PACKAGE = "package"


class ProfileSource(StrEnum):
    """The links of the chain that answers "what does this node draw", best first.

    `PREDICTED` is what the energy regressor answers where it is asked; the chain itself does not.
    """

    MEASURED_WALL = "measured-wall"
    MEASURED_PACKAGE = "measured-package"
    POWER_PROFILE = "power-profile"
    PREDICTED = "predicted"
    CATALOGUE_INSTANCE_TYPE = "catalogue-instance-type"
    CATALOGUE_CPU_MODEL = "catalogue-cpu-model"
    GENERIC_CORES = "generic-cores"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePowerProfile:
    """A node's power curve with its sleep and wake figures, their source and their trust.

    `trust` runs from 0 (a guess) to 1 (measured on this very node). `wake_joules` is by default
    the peak watts over `wake_seconds`, `shutdown_joules` the idle watts over `shutdown_seconds`.
    `sleep_watts` never exceed the idle watts: a node that drew more asleep would be left awake.
    `notes` says, link by link, why a better source was not used.
    """

    name: str
    curve: PowerCurve
    sleep_watts: float = SLEEP_WATTS
    wake_seconds: float = WAKE_SECONDS
    wake_joules: float = DERIVED
    shutdown_seconds: float = SHUTDOWN_SECONDS
    shutdown_joules: float = DERIVED
    scope: Scope = Scope.WALL
    source: ProfileSource = ProfileSource.GENERIC_CORES
    trust: float = 0.1
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.wake_joules == DERIVED:
            object.__setattr__(self, "wake_joules", self.peak_watts * self.wake_seconds)
        if self.shutdown_joules == DERIVED:
            object.__setattr__(self, "shutdown_joules", self.idle_watts * self.shutdown_seconds)
        for figure in _FIGURES:
            value = getattr(self, figure)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(
                    f"{figure} is {value}",
                    where=f"power profile {self.name!r}",
                    mend="give a finite number from 0 up, or leave it out for the default",
                )
        object.__setattr__(self, "sleep_watts", min(self.sleep_watts, self.idle_watts))
        if self.trust > 1:
            raise InputError(
                f"trust is {self.trust}",
                where=f"power profile {self.name!r}",
                mend="give a ratio from 0 to 1",
            )

    def with_curve(self, curve: PowerCurve) -> NodePowerProfile:
        """Return this profile on another curve, its wake and shutdown energy derived from that."""
        return replace(self, curve=curve, wake_joules=DERIVED, shutdown_joules=DERIVED)

    @property
    def idle_watts(self) -> float:
        """Watts awake and without load."""
        return self.curve.idle_watts

    @property
    def peak_watts(self) -> float:
        """Watts at full load."""
        return self.curve.peak_watts


_FIGURES: Final = (
    "sleep_watts",
    "wake_seconds",
    "wake_joules",
    "shutdown_seconds",
    "shutdown_joules",
    "trust",
)
