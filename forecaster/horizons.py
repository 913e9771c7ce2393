"""How far ahead is forecast, and with which quantiles."""

from __future__ import annotations

from typing import Final

MINUTE_SECONDS: Final = 60
BUCKET_MINUTES: Final = 5
HORIZONS_MINUTES: Final = (5, 10, 15, 20, 25, 30)
HORIZONS_SECONDS: Final = tuple(minutes * MINUTE_SECONDS for minutes in HORIZONS_MINUTES)
QUANTILE_LEVELS: Final = (0.025, 0.1, 0.5, 0.9, 0.975)
MEDIAN_INDEX: Final = QUANTILE_LEVELS.index(0.5)
