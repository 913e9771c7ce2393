"""Which workloads asked to have their forecast shown as a gauge, and how far ahead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from energy.errors import InputError
from forecaster.horizons import HORIZONS_SECONDS

FORECAST_ANNOTATION: Final = "negawatt.dev/forecast"
LEAD_TIME_ANNOTATION: Final = "negawatt.dev/lead-time-seconds"
LEAD_TIME_SECONDS_MAX: Final = HORIZONS_SECONDS[-1]
KEY_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """Workloads by a pattern of their keys, and their lead time; None is the service's own."""

    pattern: str
    lead_time_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Who opted in.

    Attributes:
        wishes: of the settings, the first that fits counts.
        annotated: of the cluster, by key; it counts before the settings. A lead time of None is
            the service's own; a workload that says "false" is not in `wanted` whatever they say.
        refused: keys that the cluster says "false" of.
        lead_time_seconds: of those that say none.
    """

    wishes: tuple[Wish, ...] = ()
    annotated: Mapping[str, float | None] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    lead_time_seconds: float = 600.0

    def lead_time_of(self, key: str) -> float | None:
        """Seconds ahead that a workload wants its forecast of; None where it did not opt in."""
        if key in self.refused:
            return None
        if key in self.annotated:
            return self.annotated[key] or self.lead_time_seconds
        for wish in self.wishes:
            if fnmatchcase(key, wish.pattern):
                return wish.lead_time_seconds or self.lead_time_seconds
        return None


def horizon_index(lead_time_seconds: float) -> int:
    """The first horizon at or beyond a lead time: rather too early than too late.

    Beyond the last horizon it is the last.
    """
    fitting = (i for i, seconds in enumerate(HORIZONS_SECONDS) if seconds >= lead_time_seconds)
    return next(fitting, len(HORIZONS_SECONDS) - 1)


def wishes_of(texts: Iterable[str]) -> tuple[Wish, ...]:
    """Read `PATTERN` or `PATTERN=SECONDS`, such as `shop/*/*=900`.

    Raises:
        InputError: it is no such text.
    """
    return tuple(map(_wish, texts))


def lead_time_of_text(text: str) -> float | None:
    """Seconds from 1 to 1800; None for anything else."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 1 <= seconds <= LEAD_TIME_SECONDS_MAX else None


def _wish(text: str) -> Wish:
    pattern, has_lead_time, seconds = text.partition("=")
    lead_time = lead_time_of_text(seconds) if has_lead_time else None
    if not _fits_a_key(pattern) or (has_lead_time and lead_time is None):
        raise InputError(
            f"{text!r} is no pattern of workloads",
            mend="give namespace/Kind/name, * for any, with =SECONDS (1 to 1800) if you like",
        )
    return Wish("*" if pattern == "all" else pattern, lead_time)


def _fits_a_key(pattern: str) -> bool:
    """Whether some namespace/Kind/name could match; a `*` also stands for parts and slashes."""
    if pattern == "all":
        return True
    parts = pattern.split("/")
    has_all = len(parts) == KEY_PARTS or (len(parts) < KEY_PARTS and "*" in pattern)
    return has_all and all(parts)
