"""Samples from the answers of queries: one for each workload and minute that has any value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.messages import TrafficSample
from telemetry.sample import RangeSeries
from telemetry.traffic.names import WorkloadNames
from telemetry.traffic.query import VALUES_MAX, Naming, Signal, TrafficQuery

MINUTE_SECONDS: Final = 60
#: Whoever looks for a name that leads nowhere needs some, not thousands.
STRANGERS_MAX: Final = 20

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one query gave."""

    query: TrafficQuery
    series: Sequence[RangeSeries]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """What became of the answers.

    Attributes:
        samples: by minute, then by key; made anew at each look, since all of them at once take
            some 1.6 kB each.
        keys: how many workloads they are of.
        workloads: how many have a value of each signal.
        refused: values of each signal that cannot be: negative, or absurdly large.
        strangers: labels that lead to no workload, as `source: namespace/name`, the first few.
    """

    samples: Iterable[TrafficSample]
    workloads: Mapping[Signal, int]
    refused: Mapping[Signal, int]
    strangers: tuple[str, ...]
    keys: int = 0


@dataclass(frozen=True, slots=True)
class _Rows:
    """The samples of a table, each made when it is looked at."""

    table: Mapping[str, Mapping[Signal, Values]]
    minute_first: int
    minute_last: int

    def __iter__(self) -> Iterator[TrafficSample]:
        return _samples(self.table, self.minute_first, self.minute_last)


def assembled(
    answers: Iterable[Answer],
    names: WorkloadNames,
    *,
    minute_first: int,
    minute_last: int,
    namespaces: frozenset[str] = frozenset(),
) -> Assembly:
    """Put answers together; those of the sources that are believed most come first.

    A workload's signal comes from one source for all these minutes, the first that has any value
    of it: a source with gaps is not mended with another, which measures something else.

    Args:
        answers: values at the ends of minutes.
        names: whose they are.
        minute_first: the first minute, and the last one, both included.
        minute_last: see there.
        namespaces: whose workloads count; empty for all.
    """
    table: dict[str, dict[Signal, Values]] = {}
    refused: Counter[Signal] = Counter()
    strangers: dict[str, None] = {}
    for answer in answers:
        signal = answer.query.signal
        for key, values in _by_key(answer, names, minute_first, minute_last, strangers).items():
            if namespaces and key.partition("/")[0] not in namespaces:
                continue
            with np.errstate(invalid="ignore"):
                absurd = (values < 0) | (values > VALUES_MAX[signal])
            refused[signal] += int(np.count_nonzero(absurd))
            values[absurd] = np.nan
            if not np.isnan(values).all():
                table.setdefault(key, {}).setdefault(signal, values)
    return Assembly(
        samples=_Rows(table, minute_first, minute_last),
        workloads=Counter(signal for signals in table.values() for signal in signals),
        refused=+refused,
        strangers=tuple(sorted(strangers)[:STRANGERS_MAX]),
        keys=len(table),
    )


def _by_key(
    answer: Answer,
    names: WorkloadNames,
    minute_first: int,
    minute_last: int,
    strangers: dict[str, None],
) -> dict[str, Values]:
    """The values of each workload, NaN where there is none; several series of one are combined."""
    found: dict[str, Values] = {}
    for series in answer.series:
        key = answer.query.workload or _key(answer.query, series.labels, names)
        if key is None:
            strangers[_stranger(answer.query, series.labels)] = None
            continue
        values = np.full(minute_last - minute_first + 1, np.nan)
        minutes, seconds = np.divmod(series.at_seconds, MINUTE_SECONDS)
        places = minutes - minute_first
        inside = (seconds == 0) & (places >= 0) & (places < len(values))
        values[places[inside]] = series.values[inside]
        before = found.get(key)
        found[key] = values if before is None else _combined(answer.query, before, values)
    return found


def _combined(query: TrafficQuery, one: Values, other: Values) -> Values:
    if query.combine == "max":
        return np.fmax(one, other)
    both = np.where(np.isnan(one), other, one + other)
    return np.where(np.isnan(other), one, both)


def _key(query: TrafficQuery, labels: Mapping[str, str], names: WorkloadNames) -> str | None:
    namespace, kind, name = _said(query, labels)
    if not name or (not namespace and query.naming is not Naming.JOINED):
        return None
    return names.key_of(query.naming, namespace, kind, name)


def _stranger(query: TrafficQuery, labels: Mapping[str, str]) -> str:
    said = "/".join(part for part in _said(query, labels) if part)
    return f"{query.source}: {said or 'no names'}"


def _said(query: TrafficQuery, labels: Mapping[str, str]) -> list[str]:
    """Namespace, kind and name as the labels have them; "" for what they do not say."""
    return [
        (query.exported and labels.get(f"exported_{label}")) or labels.get(label, "")
        if label
        else ""
        for label in query.labels
    ]


def _samples(
    table: Mapping[str, Mapping[Signal, Values]], minute_first: int, minute_last: int
) -> Iterator[TrafficSample]:
    rows = [
        (key, [(str(signal), values.tolist()) for signal, values in signals.items()])
        for key, signals in sorted(table.items())
    ]
    for place in range(minute_last - minute_first + 1):
        at_milliseconds = (minute_first + place) * MINUTE_SECONDS * 1000
        for key, signals in rows:
            # NaN is unlike itself.
            measured = {
                signal: value for signal, values in signals if (value := values[place]) == value
            }
            if measured:
                yield TrafficSample(key=key, timestamp_milliseconds=at_milliseconds, **measured)
