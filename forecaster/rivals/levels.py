"""The level of the last minutes and the scale of a series, robust to what is absent."""

from __future__ import annotations

from typing import Final

import numpy as np

from forecaster.history import DAY_BUCKETS, Floats, HistoryView
from forecaster.present import mean_present, newest_present

#: An older value says nothing about now.
VALUE_AGE_MINUTES_MAX: Final = 10
#: Changes over so many buckets: about the middle of the horizons.
_SCALE_BUCKETS: Final = 3
_SCALE_RATIO_MIN: Final = 1e-4
#: requests/s; a series of zeros has this scale.
_SCALE_MIN: Final = 1e-9


def newest_value(view: HistoryView) -> Floats:
    """The newest minute's value, at most ten minutes old: requests/s, (n,); NaN: none."""
    return newest_present(view.recent[:, -VALUE_AGE_MINUTES_MAX:])


def level(view: HistoryView, minutes: int) -> Floats:
    """Mean of the last minutes, or the newest value where they are all absent: requests/s, (n,)."""
    mean = mean_present(view.recent[:, -minutes:])
    return np.where(np.isnan(mean), newest_value(view), mean)


def scale(view: HistoryView, now: Floats) -> Floats:
    """Mean absolute change over fifteen minutes during the last day: requests/s, (n,).

    It makes series of any size comparable: an error divided by it is about the error relative to
    that of the last value. Never less than a ten-thousandth of the level `now`, (n,), so that a
    series that hardly moves does not turn rounding into features; NaN where under twenty minutes
    are known.
    """
    day = view.past[:, -DAY_BUCKETS - _SCALE_BUCKETS :]
    changes = np.abs(day[:, _SCALE_BUCKETS:] - day[:, :-_SCALE_BUCKETS])
    least = np.maximum(np.float32(_SCALE_RATIO_MIN) * now, np.float32(_SCALE_MIN))
    found: Floats = np.maximum(mean_present(changes), least)
    return found
