"""Whether an engine can forecast at all: it is tried once before it serves or challenges."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import numpy as np

from energy.errors import InputError
from forecaster.contract import ForecastEngine, ForecastSet
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES, QUANTILE_LEVELS

#: No workload has this name: a namespace begins with no capital.
KEY: Final = "Trial/Trial/trial"
#: On the grid of five minutes, where engines learn, too.
MINUTE: Final = 28_000_080
MINUTES: Final = 180
_SHAPE: Final = (1, len(HORIZONS_MINUTES), len(QUANTILE_LEVELS))


def require_forecasts(engine: ForecastEngine, version: str) -> None:
    """Let an engine forecast a made-up series and score that; it has forgotten it afterwards.

    Raises:
        InputError: it fails, in whatever way, or says nothing.
    """
    mend = "roll back to another version, or remove this one"
    try:
        forecasts = _forecast(engine)
        rates = np.asarray(forecasts.requests_per_second)
        is_sound = rates.shape == _SHAPE and bool(np.isfinite(rates).all())
    except Exception as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"cannot forecast ({line})", where=version, mend=mend) from error
    finally:
        with suppress(Exception):
            engine.drop([KEY])
    if not is_sound:
        what = f"forecasts nothing sound of a plain series: {forecasts.reasons[0]}"
        raise InputError(what, where=version, mend=mend)


def _forecast(engine: ForecastEngine) -> ForecastSet:
    minutes = np.arange(MINUTE - MINUTES + 1, MINUTE + BUCKET_MINUTES + 1)
    rates = 100.0 + 20.0 * np.sin(minutes / 15.0)
    before = minutes <= MINUTE
    engine.put(KEY, minutes[before], rates[before])
    engine.forecast(MINUTE, [KEY])
    engine.put(KEY, minutes[~before], rates[~before])
    return engine.forecast(MINUTE + BUCKET_MINUTES, [KEY])
