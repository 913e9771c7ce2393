"""What ridge and LightGBM see of a series: differences in units of its own usual change.

Nothing here depends on a series' size: a series multiplied by a constant has the same features.
Every rate is given as its distance from the level of the last five minutes, divided by the scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecaster.history import RECENT_MINUTES, Floats, HistoryView
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES
from forecaster.present import deviation_present, mean_present
from forecaster.rivals.drift import LEVEL_MINUTES, changes, ratios
from forecaster.rivals.levels import level, newest_value, scale
from forecaster.rivals.seasons import CENTRE_MINUTES, Seasons, Spread

#: Means over minutes ago, from (exclusive) to (inclusive).
NEAR_MINUTES: Final = (
    *((0, 2), (5, 10), (10, 15), (15, 20), (20, 30)),
    *((30, 45), (45, 60), (60, 90), (90, 120)),
)
#: How far back it is asked whether today followed earlier days.
BACK_MINUTES: Final = (15, 30, 60)
#: Changes beyond so many scales are an outage's end, not a season.
DRIFT_SCALES_MAX: Final = 50.0


@dataclass(frozen=True, slots=True)
class Frame:
    """Features of n series at one minute; NaN: absent. All but the first two are in scales.

    Attributes:
        anchor: requests/s, (n,): the level of the last five minutes.
        scale: requests/s, (n,): the mean absolute change over fifteen minutes.
        drift: (n, 6): where earlier days say that it goes; 0 without any. What is learnt is only
            what this leaves.
        near: (n, 10): the newest value and means of `NEAR_MINUTES`.
        extremes: (n, 2): greatest and least of two hours.
        noise: (n, 1): mean absolute change from minute to minute.
        before: (n, 3): how earlier days stood `BACK_MINUTES` before this time of day.
        follow: (n, 3): how much more today rose since then than earlier days.
        above: (n, 3): level of now less that of yesterday, of a week ago, and of the median day.
        rise, factor: (n, 6): median change of earlier days, as a difference and as a factor.
        day_rise, week_rise: (n, 6): change of yesterday and of a week ago.
        to_level: (n, 6): level of the median day at the horizon, less that of now.
        after: (n, 6): how the median day went on for a quarter of an hour after the horizon.
        rise_mean, rise_deviation, rise_max, rise_min: (n, 6): of the days.
    """

    anchor: Floats
    scale: Floats
    drift: Floats
    near: Floats
    extremes: Floats
    noise: Floats
    before: Floats
    follow: Floats
    above: Floats
    rise: Floats
    factor: Floats
    day_rise: Floats
    week_rise: Floats
    to_level: Floats
    after: Floats
    rise_mean: Floats
    rise_deviation: Floats
    rise_max: Floats
    rise_min: Floats

    @classmethod
    def of(cls, view: HistoryView) -> Frame:
        """Compute them from a view alone."""
        anchor = level(view, LEVEL_MINUTES)
        one = scale(view, anchor)
        return cls(
            anchor=anchor, scale=one, **_near(view, anchor, one), **_seasonal(view, anchor, one)
        )

    def requests_per_second(self, scales: Floats) -> Floats:
        """Turn distances from the anchor, (n, 6), into rates; never negative."""
        rates: Floats = np.maximum(self.anchor[:, None] + self.scale[:, None] * scales, 0)
        return rates.astype(np.float32)


def _near(view: HistoryView, anchor: Floats, one: Floats) -> dict[str, Floats]:
    """Return what the last two hours say."""
    recent = view.recent
    means = [newest_value(view), *(_ago(recent, *each) for each in NEAR_MINUTES)]
    empty = np.isnan(recent).all(axis=1)
    high = np.where(empty, np.nan, np.where(np.isnan(recent), -np.inf, recent).max(axis=1))
    low = np.where(empty, np.nan, np.where(np.isnan(recent), np.inf, recent).min(axis=1))
    steps = mean_present(np.abs(np.diff(recent[:, -30:], axis=1)))
    return {
        "near": _scaled(np.stack(means, axis=1), anchor, one),
        "extremes": _scaled(np.stack([high, low], axis=1), anchor, one),
        "noise": _scaled(steps[:, None], np.zeros_like(anchor), one),
    }


def _seasonal(view: HistoryView, anchor: Floats, one: Floats) -> dict[str, Floats]:
    """Return what the last seven days say."""
    seasons = Seasons.of(view)
    now = seasons.at(-CENTRE_MINUTES)
    return {
        **_backwards(view, seasons, anchor, one),
        **_forwards(seasons, anchor, one),
        "above": np.stack(
            [
                (anchor - now[:, 0]) / one,
                (anchor - now[:, -1]) / one,
                Spread.of(anchor[:, None] - now).median / one,
            ],
            axis=1,
        ),
    }


def _backwards(
    view: HistoryView, seasons: Seasons, anchor: Floats, one: Floats
) -> dict[str, Floats]:
    """Compare today's way here with that of earlier days."""
    now = seasons.at(-CENTRE_MINUTES)
    before, follow = [], []
    for minutes in BACK_MINUTES:
        then = Spread.of(seasons.at(-minutes - CENTRE_MINUTES) - now).median / one
        today = (anchor - _ago(view.recent, minutes, minutes + BUCKET_MINUTES)) / one
        before.append(then)
        follow.append(today + then)
    return {"before": np.stack(before, axis=1), "follow": np.stack(follow, axis=1)}


def _forwards(seasons: Seasons, anchor: Floats, one: Floats) -> dict[str, Floats]:
    """Return how earlier days went on from this time of day."""
    columns: dict[str, list[Floats]] = {}
    for minutes in HORIZONS_MINUTES:
        rises = changes(seasons, minutes) / one[:, None]
        then = seasons.at(minutes)
        spread = Spread.of(rises)
        mean = mean_present(rises)
        parts = {
            "rise": spread.median,
            "factor": anchor * (Spread.of(ratios(seasons, minutes)).median - 1) / one,
            "day_rise": rises[:, 0],
            "week_rise": rises[:, -1],
            "to_level": Spread.of(then - anchor[:, None]).median / one,
            "after": Spread.of(seasons.bucket(minutes + 15) - then).median / one,
            "rise_mean": mean,
            "rise_deviation": deviation_present(rises, mean),
            "rise_max": spread.greatest,
            "rise_min": spread.least,
        }
        for name, values in parts.items():
            columns.setdefault(name, []).append(values)
    found = {name: np.stack(values, axis=1) for name, values in columns.items()}
    drift = (found["rise"] + found["factor"]) / 2
    drift = np.where(np.isnan(drift), found["rise"], drift)
    bounded = np.clip(np.nan_to_num(drift), -DRIFT_SCALES_MAX, DRIFT_SCALES_MAX)
    return {**found, "drift": bounded.astype(np.float32)}


def _ago(recent: Floats, newest: int, oldest: int) -> Floats:
    """Mean of the minutes that ended `newest` to `oldest` minutes ago: (n,)."""
    return mean_present(recent[:, RECENT_MINUTES - oldest : RECENT_MINUTES - newest])


def _scaled(rates: Floats, anchor: Floats, one: Floats) -> Floats:
    """Return rates (n, k) as distances from the anchor in scales."""
    found: Floats = (rates - anchor[:, None]) / one[:, None]
    return found.astype(np.float32)
