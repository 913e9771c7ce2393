"""Made-up series of traffic, from a seed: what lets the network forecast services it never saw.

A series is a product: daily shapes, weekdays and weekends, recurrent jobs, surges, shifts of level,
slow noise that is forgotten within minutes to hours, and the noise of single minutes. Nothing here
is taken from a real trace; how often each part occurs and how strong it is was chosen on the
middle (55-70 %) of the development series.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from forecaster.training.daily_shapes import DAY_MINUTES, Floats, happens, usual_traffic

SERIES_DAYS: Final = 14
_RATE_MAX: Final = 1e8
#: Beyond this a count's own noise is nothing beside the others.
_COUNTED_MAX: Final = 1e4
_JOB_MINUTES: Final = (15, 30, 60, 60, 120, 120, 240, 360, DAY_MINUTES)


def synthetic_series(rng: np.random.Generator, days: int = SERIES_DAYS) -> Floats:
    """Draw a series of minutes: float[days * 1440], requests/s, never negative; NaN: an outage."""
    minutes = np.arange(days * DAY_MINUTES)
    rate = usual_traffic(rng, days)
    _add_jobs(rng, rate)
    rate *= np.exp(_wander(rng, len(minutes)))
    _add_surges(rng, rate)
    _add_shifts(rng, rate)
    if happens(rng, 0.1):  # a feed or a pool that is full at its busiest
        np.minimum(rate, np.quantile(rate, rng.uniform(0.7, 0.97)), out=rate)
    level = 10 ** rng.uniform(0.5, 6)
    observed = _observed(rng, np.minimum(rate * level, _RATE_MAX), level)
    _add_outages(rng, observed)
    return observed


def _add_jobs(rng: np.random.Generator, rate: Floats) -> None:
    """Jobs that come every quarter of an hour to every day and last some minutes.

    Some keep the minute and never fail; others begin late, last longer or do not come at all.
    """
    for _ in range(int(rng.integers(0, 4))):
        period = int(rng.choice(_JOB_MINUTES))
        length = int(rng.integers(2, max(3, min(25, period // 2))))
        strong = happens(rng, 0.35)
        factor = np.exp(rng.uniform(np.log(1.5), np.log(6))) if strong else rng.uniform(0.7, 1.6)
        loose = happens(rng, 0.5)
        begins = np.arange(int(rng.integers(period)), len(rate), period)
        if loose:
            begins = begins[rng.random(len(begins)) > rng.uniform(0, 0.4)]
            begins = begins + rng.integers(0, 1 + min(6, period // 4), len(begins))
        ends = begins + (rng.poisson(length, len(begins)) if loose else length)
        running = np.zeros(len(rate) + 1)
        np.add.at(running, np.minimum(begins, len(rate)), 1)
        np.add.at(running, np.minimum(ends, len(rate)), -1)
        rate *= np.where(np.cumsum(running[:-1]) > 0, factor, 1.0)


def _wander(rng: np.random.Generator, count: int) -> Floats:
    """Slow noise of the logarithm: parts that are forgotten, and one that is not."""
    total = np.cumsum(rng.normal(0, float(rng.choice([0, 0.0005, 0.002])), count))
    total -= total.mean()
    for _ in range(int(rng.integers(1, 3))):
        memory = float(np.exp(-1 / np.exp(rng.uniform(np.log(3), np.log(900)))))
        sigma = float(rng.choice([0.005, 0.01, 0.03, 0.08, 0.2]))
        total += _filtered(rng.normal(0, sigma * np.sqrt(1 - memory**2), count), memory)
    return total


def _filtered(noise: Floats, memory: float) -> Floats:
    """First-order autoregression: the sum of past noise with weights memory^age."""
    size = 2 * len(noise)
    weights = memory ** np.arange(len(noise))
    product = np.fft.rfft(noise, size) * np.fft.rfft(weights, size)
    return np.asarray(np.fft.irfft(product, size)[: len(noise)])


def _add_surges(rng: np.random.Generator, rate: Floats) -> None:
    """Stretches with more or less of everything: sudden, or rising and fading."""
    for _ in range(int(rng.integers(0, 14))):
        first, length = int(rng.integers(len(rate))), int(np.exp(rng.uniform(1, 5)))
        part = rate[first : first + length]
        factor = rng.uniform(1.2, 6) if happens(rng, 0.5) else rng.uniform(0.3, 0.9)
        if happens(rng, 0.5):
            age = np.arange(len(part)) / length
            part *= factor ** (np.minimum(age * 8, 1) * np.exp(-3 * age))
        else:
            part *= factor


def _add_shifts(rng: np.random.Generator, rate: Floats) -> None:
    """Levels that change for good or for some hours, at once or within the hour."""
    for _ in range(int(rng.choice([0, 0, 1, 1, 2]))):
        first = int(rng.integers(len(rate)))
        end = len(rate) if happens(rng, 0.6) else first + int(rng.integers(120, 2 * DAY_MINUTES))
        part = rate[first:end]
        ramp = np.minimum(np.arange(1, len(part) + 1) / rng.choice([1, 10, 60]), 1)
        part *= rng.uniform(0.6, 1.7) ** ramp


def _observed(rng: np.random.Generator, rate: Floats, level: float) -> Floats:
    """What is counted in a minute."""
    if level < _COUNTED_MAX and happens(rng, 0.5):
        # Visitors who ask for several things each scatter more than Poisson's.
        crowd = float(rng.choice([1, 1, 2, 5]))
        return np.asarray(rng.poisson(rate / crowd) * crowd)
    sigma = float(rng.choice([0.003, 0.01, 0.03, 0.1]))
    noise = rng.standard_t(4, len(rate)) if happens(rng, 0.3) else rng.normal(size=len(rate))
    return np.asarray(np.maximum(rate * (1 + sigma * np.clip(noise, -9, 9)), 0))


def _add_outages(rng: np.random.Generator, observed: Floats) -> None:
    """Nothing at all for minutes to hours, in one series of five."""
    if not happens(rng, 0.2):
        return
    for _ in range(int(rng.integers(1, 6))):
        first = int(rng.integers(len(observed)))
        observed[first : first + int(np.exp(rng.uniform(0, 5.5)))] = np.nan
