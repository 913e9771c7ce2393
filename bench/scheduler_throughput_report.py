"""Tables of throughput runs: medians by arm, and ratios between arms, round by round."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from simulator.intervals import Interval

Line = dict[str, Any]
BAR_RATIO, AIM_RATIO = 0.90, 0.95
TIERS_BAR_RATIO = 0.95
NO_BAR = "beside it, no bar"
# Numerator, denominator, and what is said of the ratio.
RATIOS = (
    ("ours", "go", f"bar {BAR_RATIO}, aim {AIM_RATIO}"),
    ("go", "no-extender", ""),
    ("tiers", "none", f"bar: lower end of pods/s at least {TIERS_BAR_RATIO}"),
    ("tiers", "default", NO_BAR),
    ("tiers", "default-all", f"{NO_BAR}; the same nodes scored"),
    ("tiers", "ours", ""),
    ("ours", "none", ""),
)
RATE, DURATION = "pods_per_second", "algorithm_milliseconds"
HEADINGS = ("arm", "pods/s", "algorithm ms/pod", "scheduler CPU ms/pod", "extender CPU ms/pod")
FIGURES = {
    RATE: ".0f",
    DURATION: ".2f",
    "scheduler_cpu_milliseconds": ".2f",
    "extender_cpu_milliseconds": ".2f",
}


def summary(lines: list[Line]) -> dict[str, Any]:
    """Medians by arm and ratios between arms over whole rounds."""
    by_arm: dict[str, list[Line]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: int(line["round"])):
        by_arm[line["arm"]].append(line)
    ratios = {
        f"{one} to {other}": {
            "said": said,
            **_kept(by_arm, one, other),
            **{figure: _ratio(by_arm[one], by_arm[other], figure) for figure in FIGURES},
        }
        for one, other, said in RATIOS
        if one in by_arm and other in by_arm
    }
    return {
        "rounds": len({line["round"] for line in lines}),
        "nodes": lines[0]["nodes"],
        "pods": lines[0]["pods"],
        "slow_decisions": sum(line["slow_decisions"] for line in lines),
        "unscheduled_pods": sum(line["unscheduled_pods"] for line in lines),
        "medians": {
            arm: {name: median(line[name] for line in own) for name in FIGURES}
            for arm, own in by_arm.items()
        },
        "ratios": ratios,
        "commits": sorted({line["commit"] for line in lines}),
    }


def _kept(by_arm: dict[str, list[Line]], one: str, other: str) -> dict[str, bool]:
    """Whether the bar of tiers is reached, where this is its ratio and has an interval."""
    if (one, other) != ("tiers", "none"):
        return {}
    found = _ratio(by_arm[one], by_arm[other], RATE)
    return {} if found is None or "low" not in found else {"kept": found["low"] >= TIERS_BAR_RATIO}


def _ratio(one: list[Line], other: list[Line], figure: str) -> dict[str, float] | None:
    """The geometric mean over rounds with its interval; None where a figure is 0."""
    pairs = [(a[figure], b[figure]) for a, b in zip(one, other, strict=True)]
    if not all(a > 0 and b > 0 for a, b in pairs):
        return None
    found = Interval.of([math.log(a / b) for a, b in pairs])
    ends = {"mean": found.mean, "low": found.low, "high": found.high}
    return {name: math.exp(end) for name, end in ends.items() if end is not None}


def printed(lines: list[Line], output: str) -> None:
    """Print it as a table, JSON or Markdown."""
    found = summary(lines)
    if output == "json":
        print(json.dumps(found, indent=2))
        return
    rows = [
        (arm, *(format(own[name], form) for name, form in FIGURES.items()))
        for arm, own in found["medians"].items()
    ]
    title = f"{found['nodes']} nodes, {found['pods']} pods, {found['rounds']} rounds, medians"
    if output == "markdown":
        print(f"{title}\n\n| " + " | ".join(HEADINGS) + " |")
        print("| --- |" + " --: |" * (len(HEADINGS) - 1))
        for row in rows:
            print("| " + " | ".join(row) + " |")
    else:
        table = Table(title=title)
        for heading in HEADINGS:
            table.add_column(heading, justify="left" if heading == "arm" else "right")
        for row in rows:
            table.add_row(*row)
        Console(width=100).print(table)
    for name, ratio in found["ratios"].items():
        kept = {True: ": kept", False: ": missed", None: ""}[ratio.get("kept")]
        told = f" ({ratio['said']}{kept})" if ratio["said"] else ""
        figures = (f"{label} {_said(ratio[figure])}" for figure, label in SHOWN.items())
        print(f"{name}: {'; '.join(figures)}{told}")
    print(
        f"pods left over {found['unscheduled_pods']}, slow decisions {found['slow_decisions']}, "
        f"commits {', '.join(found['commits'])}"
    )


SHOWN = {RATE: "pods/s", DURATION: "algorithm", "scheduler_cpu_milliseconds": "scheduler CPU"}


def _said(ratio: dict[str, float] | None) -> str:
    if ratio is None:
        return "–"
    interval = f" ({ratio['low']:.3f} to {ratio['high']:.3f})" if "low" in ratio else ""
    return f"{ratio['mean']:.3f}{interval}"
