"""Whether models that serve fail at their work: they raise, or say nothing where others could."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.contract import ForecastEngine, ForecastSet
from forecaster.own_errors import LAST_VALUE
from forecaster.publishing import sound_rows

#: Of so many workloads at once another engine is given what is known: 6 MB.
TRIED_KEYS: Final = 256


@dataclass(frozen=True, slots=True)
class ModelFault:
    """What models could not do.

    Attributes:
        minute: as of which they were to forecast.
        keys: the workloads.
        why: in a line.
    """

    minute: int
    keys: tuple[str, ...]
    why: str


@dataclass(slots=True)
class Silence:
    """Of which workloads nothing was said in a minute, although their last value could be.

    A workload that warms up, or whose traffic is an outage, has no last value: that is no silence.
    """

    count: int = 0
    mute: list[str] = field(default_factory=list)

    def add(self, forecasts: ForecastSet, sound: npt.NDArray[np.bool_]) -> None:
        """Count forecasts; ``sound`` [n] says which of them can be told."""
        if LAST_VALUE in forecasts.models:
            last = forecasts.medians[:, forecasts.models.index(LAST_VALUE)]
            speaks = np.isfinite(last).all(axis=1)
            self.count += int(speaks.sum())
            self.mute += [forecasts.keys[row] for row in np.flatnonzero(speaks & ~sound).tolist()]

    def fault(self, minute: int) -> ModelFault | None:
        """The fault that this is: of more than half of the workloads nothing was said."""
        if 2 * len(self.mute) <= self.count:
            return None
        why = f"says nothing of {len(self.mute)} of {self.count} workloads that have a last value"
        return ModelFault(minute, tuple(self.mute), why)


def fault_of(minute: int, keys: tuple[str, ...], error: Exception) -> ModelFault:
    """The fault that an error is."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return ModelFault(minute, keys, f"cannot forecast ({line})")


def fails_alike(engine: ForecastEngine, serving: ForecastEngine, fault: ModelFault) -> bool:
    """Whether an engine that is thrown away fails at the same, with what the serving one knows.

    The serving one stays as it is: what falls due in a trial is learnt from nowhere.
    """
    known = set(serving.keys())
    keys = [key for key in fault.keys if key in known]
    silence = Silence()
    try:
        for first in range(0, len(keys), TRIED_KEYS):
            some = keys[first : first + TRIED_KEYS]
            engine.restore(serving.export(some))
            forecasts = engine.forecast(fault.minute, some)
            silence.add(forecasts, sound_rows(forecasts))
            engine.drop(some)
    except Exception:  # noqa: BLE001 - that is what was asked
        return True
    return silence.fault(fault.minute) is not None
