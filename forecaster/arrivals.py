"""New minutes of a series, before they become its history."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster.cleaning import find_outages, steady_levels
from forecaster.history import NEVER, PAST_BUCKETS, RECENT_MINUTES, RING_MINUTES, History
from forecaster.horizons import BUCKET_MINUTES

_MINUTES_MAX: Final = PAST_BUCKETS * BUCKET_MINUTES + RECENT_MINUTES


def credible(
    history: History,
    row: int,
    minutes: npt.NDArray[Any],
    requests_per_second: npt.NDArray[Any],
) -> tuple[npt.NDArray[np.float64], bool]:
    """Return the rates with NaN for zeros that can only be an outage of what measures.

    And whether the newest known minute is none, either, since such zeros cut it.

    The rule is that of `forecaster.cleaning`, over what is known and what is new: after an hour and
    a half of zeros a series is switched off, and they are traffic. Of minutes that come late or
    again each is judged by those before it, as long as these are known one by one.
    """
    rates = np.array(requests_per_second, dtype=np.float64)
    zero = rates == 0
    if not zero.any():
        return rates, False
    newest = int(history.newest_minute[row])
    new = minutes > newest
    # Days may come again, full of zeros: before the ring's minutes nothing can be judged.
    for place in np.flatnonzero(zero & ~new & (minutes > newest - RING_MINUTES)).tolist():
        before = history.view(np.array([row]), int(minutes[place]) - 1).recent
        if not np.isnan(steady_levels(before)[0]):
            rates[place] = np.nan
    count = int(new.sum())
    # No more than a shortcut: zeros that go on are traffic.
    goes_on = count and zero[new].all() and int(minutes.max()) == newest + count
    if not count or (goes_on and history.newest_value(row) == 0):
        return rates, False
    known = newest != NEVER
    first = newest - RECENT_MINUTES + 1 if known else int(minutes[new].min())
    length = int(minutes.max()) - first + 1
    if length > _MINUTES_MAX:  # a clock gone astray; what is older is forgotten anyway
        return rates, False
    timeline = np.full(length, np.nan)
    if known:
        timeline[:RECENT_MINUTES] = history.view(np.array([row]), newest).recent[0]
    timeline[minutes[new] - first] = rates[new]
    # What is known was judged when it came, by minutes of which the view shows no more.
    outages = find_outages(timeline, judged_minutes=RECENT_MINUTES if known else 0)
    rates[new] = np.where(outages.told[minutes[new] - first], np.nan, rates[new])
    return rates, known and bool(outages.leading[RECENT_MINUTES - 1])
