"""The serving code over the past: minutes put in their order, forecasts at every fifth.

What the forecaster is given up to an origin is what the service would have had then: no later
minute, the minute before an outage as cut only once the next has shown it, and the minute after one
always as it was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from energy.errors import InputError
from forecaster.cleaning import Outages, find_outages
from forecaster.evaluation.traces import Trace
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES

#: The first 70 % of a series may be trained on; the rest is judged.
TRAINING_PERCENT: Final = 70
#: What a forecaster remembers, and as long again in which it forecasts before it is judged.
HISTORY_MINUTES: Final = 8 * 24 * 60
WARM_MINUTES: Final = 8 * 24 * 60
#: A test part of an hour: less proves nothing.
MINUTES_MIN: Final = 200

Floats = npt.NDArray[np.float64]
Minutes = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


class Forecasts(Protocol):
    """What the replay reads of the forecasts of an engine; one series, so n = 1."""

    @property
    def requests_per_second(self) -> npt.NDArray[np.floating]:
        """float[n, 6, 5], quantiles of the served forecast."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the members, M of them."""

    @property
    def medians(self) -> npt.NDArray[np.floating]:
        """float[n, M, 6]."""

    @property
    def anomalous(self) -> npt.NDArray[np.bool_]:
        """bool[n]."""


class Forecaster(Protocol):
    """What the replay needs of `forecaster.engine.Engine`."""

    def put(self, key: str, minutes: Minutes, requests_per_second: Floats, /) -> object:
        """Take minutes; NaN says that one is an outage."""

    def forecast(self, minute: int, /) -> Forecasts:
        """Forecast every series as of the end of a minute."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What was forecast, at every fifth minute from the warm-up on.

    Attributes:
        trace: what was replayed.
        outages: of its minutes.
        test_from: index in `trace` of the first minute of the last 30 %.
        places: int64[t], indices in `trace` of the origins, five minutes apart.
        models: names of the members.
        medians: float[t, M, 6].
        quantiles: float[t, 6, 5], of the served forecast.
        anomalous: bool[t].
    """

    trace: Trace
    outages: Outages
    test_from: int
    places: Minutes
    models: tuple[str, ...]
    medians: Floats
    quantiles: Floats
    anomalous: Booleans

    @property
    def known(self) -> Floats:
        """float[n], the trace with NaN where there was an outage."""
        return np.where(self.outages.marked, np.nan, self.trace.values)

    @property
    def newest(self) -> Minutes:
        """int64[t], indices of the newest minute that was known at each origin."""
        return _newest_known(self.places, self.trace.step_minutes)

    @property
    def is_judged(self) -> Booleans:
        """bool[t], which origins lie in the last 30 % and not in an outage."""
        return (self.places >= self.test_from) & ~np.isnan(self.known[self.newest])


def origins_of(trace: Trace) -> tuple[int, Minutes]:
    """Where the last 30 % begin, and the indices of the origins from the warm-up on.

    Raises:
        InputError: the trace is too short, or has no value in the last 30 %.
    """
    count = len(trace.values)
    if count < MINUTES_MIN:
        raise InputError(
            f"{count} minutes are too few to judge a forecast on",
            where=trace.name,
            mend=f"{MINUTES_MIN} are the least",
        )
    # Of steps longer than a minute none is cut.
    test_from = count // trace.step_minutes * TRAINING_PERCENT // 100 * trace.step_minutes
    if np.isnan(trace.values[test_from:]).all():
        raise InputError(
            "the last 30 % hold no value to judge by", where=trace.name, mend="give a longer trace"
        )
    last = count - 1 - min(HORIZONS_MINUTES)
    places = np.arange(max(0, test_from - WARM_MINUTES), last + 1)
    return test_from, places[trace.minutes[places] % BUCKET_MINUTES == 0]


def replay(
    trace: Trace, forecaster: Forecaster, advance: Callable[[int], None] = lambda _: None
) -> Replay:
    """Put a trace through a forecaster that has seen none of it.

    Args:
        trace: what is replayed.
        forecaster: without a series of this name.
        advance: told of the origins that are done, for a progress bar.
    """
    test_from, places = origins_of(trace)
    outages = find_outages(trace.values, trace.step_minutes)
    feed = _Feed(trace, outages, forecaster, max(0, int(places[0]) - HISTORY_MINUTES))
    quantiles, medians, anomalous = [], [], []
    models: tuple[str, ...] = ()
    for place in places.tolist():
        feed.advance_to(place)
        forecasts = forecaster.forecast(int(trace.first_minute + place))
        models = forecasts.models
        quantiles.append(forecasts.requests_per_second[0])
        medians.append(forecasts.medians[0])
        anomalous.append(forecasts.anomalous[0])
        # Where a step of two to four minutes ends later, the service learns what the origin's
        # minute was from the forecast of that minute: it makes one every minute.
        ended = place // trace.step_minutes * trace.step_minutes + trace.step_minutes - 1
        if ended > place:
            feed.advance_to(ended)
            forecaster.forecast(int(trace.first_minute + ended))
        advance(1)
    return Replay(
        trace=trace,
        outages=outages,
        test_from=test_from,
        places=places,
        models=models,
        medians=np.array(medians, dtype=np.float64),
        quantiles=np.array(quantiles, dtype=np.float64),
        anomalous=np.array(anomalous, dtype=np.bool_),
    )


class _Feed:
    """Gives a forecaster the minutes up to an origin, as they were known then."""

    def __init__(self, trace: Trace, outages: Outages, forecaster: Forecaster, first: int) -> None:
        self._trace, self._outages, self._forecaster = trace, outages, forecaster
        self._minutes = trace.minutes
        self._told = np.where(outages.told, np.nan, trace.values)
        self._first = self._next = first

    def advance_to(self, place: int) -> None:
        """Put what has come since, and again a last step that proved to be cut."""
        step = self._trace.step_minutes
        newest = int(_newest_known(np.array(place), step))
        if newest < self._next:
            return
        first = self._next
        if first - step >= self._first and self._outages.leading[first - 1]:
            first -= step
        values = self._told[first : newest + 1].copy()
        if self._outages.leading[newest]:
            values[-step:] = self._trace.values[newest]
        self._forecaster.put(self._trace.name, self._minutes[first : newest + 1], values)
        self._next = newest + 1


def _newest_known(places: Minutes, step_minutes: int) -> Minutes:
    """A step is known when its last minute ends: the last minute of the newest whole step."""
    return (places + 1) // step_minutes * step_minutes - 1
