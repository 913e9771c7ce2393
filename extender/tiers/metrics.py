"""The controller's series: names, meanings, and where their values come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from extender.tiers.controller import TierFigures
from extender.tiers.survey import LabelState, SurveyCounts
from ledger.writer import LedgerWriter
from telemetry.serving.series import COUNTER, GAUGE, Family, Row, lines

PREFIX: Final = "negawatt_tiers_"
_Counts = tuple[TierFigures, SurveyCounts | None, LedgerWriter | None]


def exposition(
    registry: CollectorRegistry, figures: TierFigures, ledger: LedgerWriter | None = None
) -> bytes:
    """All series in Prometheus' text format; those of the ledger where one is kept."""
    counted = (figures, None if figures.survey is None else figures.survey.counts(), ledger)
    own = (line for family in FAMILIES for line in lines(family, counted))
    return generate_latest(registry) + "".join(own).encode()


def process_registry() -> CollectorRegistry:
    """What Prometheus tells of any process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def _family(
    name: str,
    kind: str,
    text: str,
    rows: Callable[[_Counts], Iterable[Row]],
    labels: tuple[str, ...] = (),
) -> Family[_Counts]:
    return Family(name=PREFIX + name, kind=kind, text=text, labels=labels, rows=rows)


def _one(value: Callable[[TierFigures], float]) -> Callable[[_Counts], Iterable[Row]]:
    return lambda counts: (((), value(counts[0])),)


def _counted(
    value: Callable[[SurveyCounts], Mapping[str, int]],
) -> Callable[[_Counts], Iterable[Row]]:
    """Nothing before the first look: a zero would be an answer."""

    def rows(counts: _Counts) -> Iterable[Row]:
        if counts[1] is None:
            return ()
        return (((name,), count) for name, count in sorted(value(counts[1]).items()))

    return rows


def _recorded(
    value: Callable[[LedgerWriter], float],
) -> Callable[[_Counts], Iterable[Row]]:
    """Nothing where no ledger is kept."""
    return lambda counts: () if counts[2] is None else (((), value(counts[2])),)


def _states(counts: SurveyCounts) -> Mapping[str, int]:
    return {str(state): counts.states.get(state, 0) for state in LabelState}


FAMILIES: Final[tuple[Family[_Counts], ...]] = (
    _family(
        "build_info",
        GAUGE,
        "Always 1; version, mode and rule are in the labels.",
        lambda counts: (((version("negawatt"), counts[0].mode, counts[0].rule), 1),),
        ("version", "mode", "rule"),
    ),
    _family(
        "nodes",
        GAUGE,
        "Nodes by what their label says now; `none` without a label.",
        _counted(lambda counts: counts.present),
        ("tier",),
    ),
    _family(
        "nodes_wanted",
        GAUGE,
        "Nodes by the tier that they should have; `none`: no label, as their watts are not known,"
        " or they opted out.",
        _counted(lambda counts: counts.wanted),
        ("tier",),
    ),
    _family(
        "labels",
        GAUGE,
        "Nodes by how it stands with their label: right, due, waiting (for a limit), foreign"
        " (somebody else set it), failing (tried, and tried again later), unreadable.",
        _counted(_states),
        ("state",),
    ),
    _family(
        "label_changes_total",
        COUNTER,
        "Labels that this process set, changed or removed; failed attempts, and nodes gone before.",
        lambda counts: (((name,), count) for name, count in counts[0].results.items()),
        ("result",),
    ),
    _family("leader", GAUGE, "1: this process may change labels.", _one(lambda f: int(f.leads))),
    _family(
        "ready",
        GAUGE,
        "1: nodes and power profiles are known and fresh; at 0 no label is changed.",
        _one(lambda f: int(not f.troubles)),
    ),
    _family(
        "snapshot_age_seconds",
        GAUGE,
        "Since the API server last said anything of nodes; up to 120 on a quiet cluster.",
        _one(lambda f: f.age_seconds),
    ),
    _family(
        "unreadable_power_profiles",
        GAUGE,
        "PowerProfiles that could not be understood; the log names them.",
        _one(lambda f: len(f.doubts)),
    ),
    _family(
        "ledger_written_records_total",
        COUNTER,
        "Changes of labels written to the ledger.",
        _recorded(lambda ledger: ledger.written),
    ),
    _family(
        "ledger_dropped_records_total",
        COUNTER,
        "Changes of labels that found no room, or that the ledger refused; the log has them.",
        _recorded(lambda ledger: ledger.dropped),
    ),
    _family(
        "ledger_pending_records",
        GAUGE,
        "Changes of labels that wait for the ledger.",
        _recorded(lambda ledger: ledger.pending),
    ),
)
