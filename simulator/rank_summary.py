"""The rank suite in a few lines: verdicts counted, shares by their median, per policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from simulator.intervals import Verdict
from simulator.rank_cells import RankCell, RankResult
from simulator.scenarios.families import SITUATIONS

ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class RankSummary:
    """One policy over some cells; ``repack_cells`` are those in which re-packing saves anything."""

    cells: int
    worse: int
    equal: int
    better: int
    label_ratio_mean: float
    gap_share_median: float | None
    repack_share_median: float | None
    repack_cells: int
    evictions_per_pod_day_max: float


def summaries(
    cells: Sequence[RankCell], policies: Sequence[str]
) -> dict[str, dict[str, dict[str, object]]]:
    """By situation (and for all cells) and policy, in the given order, as plain values."""
    groups = {ALL: list(cells)}
    for name, families in SITUATIONS.items():
        groups[name] = [cell for cell in cells if cell.key.family in families]
    return {
        name: {policy: asdict(one) for policy, one in _summary(members, policies).items()}
        for name, members in groups.items()
        if members
    }


def _summary(cells: Sequence[RankCell], policies: Sequence[str]) -> dict[str, RankSummary]:
    results = {
        name: [cell.policies[name] for cell in cells if name in cell.policies] for name in policies
    }
    return {name: _of(found) for name, found in results.items() if found}


def _of(results: Sequence[RankResult]) -> RankSummary:
    verdicts = Counter(result.verdict for result in results)
    gaps = [result.gap_share for result in results if result.gap_share is not None]
    repacks = [result.repack_share for result in results if result.repack_share is not None]
    return RankSummary(
        cells=len(results),
        worse=verdicts[Verdict.WORSE],
        equal=verdicts[Verdict.EQUAL],
        better=verdicts[Verdict.BETTER],
        label_ratio_mean=sum(result.label_ratio.mean for result in results) / len(results),
        gap_share_median=median(gaps) if gaps else None,
        repack_share_median=median(repacks) if repacks else None,
        repack_cells=len(repacks),
        evictions_per_pod_day_max=max(result.evictions_per_pod_day for result in results),
    )
