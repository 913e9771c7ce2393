"""What made-up traffic usually looks like on a day and in a week, before noise."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

DAY_MINUTES: Final = 1440
WEEK_DAYS: Final = 7
SATURDAY: Final = 5
_TINY: Final = 1e-9

Floats = npt.NDArray[np.float64]


def happens(rng: np.random.Generator, share_ratio: float) -> bool:
    """Draw whether something occurs that occurs in this share of the cases."""
    return bool(rng.random() < share_ratio)


def usual_traffic(rng: np.random.Generator, days: int) -> Floats:
    """Draw the usual traffic of some days: float[days * 1440], about 1 in the mean."""
    first_day = int(rng.integers(WEEK_DAYS))
    weekday = (np.arange(days) + first_day) % WEEK_DAYS
    workday = _day_shape(rng)
    weekend = _day_shape(rng) if happens(rng, 0.4) else workday
    amplitude = rng.uniform(0.05, 0.8)
    shapes = np.where(weekday[:, None] >= SATURDAY, weekend, workday)
    # No two days are quite alike: some are stronger, some begin earlier.
    strength = 1 + rng.choice([0, 0.05, 0.15]) * rng.normal(size=days)
    early = np.rint(rng.choice([0, 0, 5, 15]) * rng.normal(size=days)).astype(np.int64)
    shapes = np.stack(
        [
            np.roll(shape, move) * power
            for shape, move, power in zip(shapes, early, strength, strict=True)
        ]
    )
    usual = np.exp(amplitude * shapes.ravel())
    return np.asarray(usual * _day_levels(rng, days, first_day))


def _day_shape(rng: np.random.Generator) -> Floats:
    """A day of standard deviation 1: waves, or working hours with steep ends, or both."""
    time = np.arange(DAY_MINUTES) / DAY_MINUTES
    shape = np.zeros(DAY_MINUTES)
    kind = rng.choice(["waves", "hours", "both"], p=[0.6, 0.15, 0.25])
    if kind != "hours":
        for harmonic in range(1, int(rng.integers(2, 9))):
            amplitude = rng.normal() / harmonic ** rng.uniform(0.8, 1.6)
            shape += amplitude * np.cos(2 * np.pi * (harmonic * time + rng.random()))
    if kind != "waves":
        shape += rng.uniform(0.5, 2) * _plateau(rng, time)
    return np.asarray((shape - shape.mean()) / (shape.std() + _TINY))


def _plateau(rng: np.random.Generator, time: Floats) -> Floats:
    """From 0 to 1 and back once a day, each within minutes to hours."""
    begin, length = rng.random(), rng.uniform(0.15, 0.6)
    since = (time - begin) % 1
    rise, fall = np.exp(rng.uniform(np.log(0.003), np.log(0.1), 2))
    up = 1 / (1 + np.exp(-np.clip((since - 3 * rise) / rise, -30, 30)))
    down = 1 / (1 + np.exp(-np.clip((since - length) / fall, -30, 30)))
    return np.asarray(up * (1 - down))


def _day_levels(rng: np.random.Generator, days: int, first_day: int) -> Floats:
    """How much each weekday has of the usual, changing at midnight or gradually."""
    levels = np.ones(WEEK_DAYS)
    if happens(rng, 0.7):
        levels[SATURDAY:] = rng.uniform(0.3, 1)
    else:
        levels = rng.uniform(0.8, 1.2, WEEK_DAYS)
    minutes = np.arange(days * DAY_MINUTES)
    if happens(rng, 0.5):
        return levels[(minutes // DAY_MINUTES + first_day) % WEEK_DAYS]
    noons = np.arange(-DAY_MINUTES // 2, len(minutes) + DAY_MINUTES, DAY_MINUTES)
    return np.interp(minutes, noons, levels[(noons // DAY_MINUTES + first_day) % WEEK_DAYS])
