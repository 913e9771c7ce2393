"""What replayed traffic does to a simulated service, and how well that is forecast, as tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from rich.progress import Progress
from rich.table import Table

from console.output import JSON, emit, json_text, stderr, stdout
from console.provenance import commit
from simulator.feature_forecasts import SERVED, FeatureScore, Parts, origins_of, score_features
from simulator.sandbox.forecast_workloads import ReplayedWorkload, replayed_workloads
from simulator.traffic_features import WorkloadFeatures, features_of

QUANTILES = (0.05, 0.5, 0.95)
#: For people: the unit, and what a value is divided by.
SHOWN = {
    "requests_per_second": ("requests/s", 1.0),
    "response_time_p95_seconds": ("ms", 1e-3),
    "cpu_cores": ("cores", 1.0),
    "memory_bytes": ("MiB", 1024.0**2),
}
WORDS = {
    "requests_per_second": "requests",
    "response_time_p95_seconds": "response time, p95",
    "cpu_cores": "CPU",
    "memory_bytes": "memory",
}


def show_features(form: str, file: Path | None) -> None:
    """Print quantiles of each feature of each workload of the sandbox."""
    measured = [(one, _features(one)) for one in _workloads()]
    if form == JSON:
        emit(json_text(_document([_feature_document(*each) for each in measured])), file)
        return
    table = Table(box=None, pad_edge=False, title="simulated", title_justify="left")
    for column in ("workload", "trace", "days", "replicas", "feature"):
        table.add_column(column)
    for ratio in QUANTILES:
        table.add_column(f"p{round(ratio * 100)}", justify="right")
    table.add_column("unit")
    for workload, features in measured:
        trace = workload.replay.trace
        head = (workload.key, trace.name, str(trace.days), str(workload.replicas))
        for name, values in features.named().items():
            unit, divisor = SHOWN[name]
            cells = [f"{value / divisor:.4g}" for value in np.quantile(values, QUANTILES)]
            table.add_row(*head, WORDS[name], *cells, unit)
            head = ("", "", "", "")
    _print(table, file)


def show_forecasts(form: str, file: Path | None) -> None:
    """Forecast each feature with the shipped models, and print MSE and MAE by model."""
    scores = _scores(_workloads())
    if form == JSON:
        emit(json_text(_document([dataclasses.asdict(score) for score in scores])), file)
        return
    title = "simulated; first 70 % history, next 15 % validation, last 15 % judged; 5 to 30 minutes"
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for column in ("trace", "feature", "unit", "model"):
        table.add_column(column)
    for column in ("MSE", "MAE", "MSE 0…1", "MAE 0…1", "to last value"):
        table.add_column(column, justify="right")
    for (series, feature), group in groupby(scores, lambda score: (score.series, score.feature)):
        unit, divisor = SHOWN[feature]
        head = (series, WORDS[feature], unit)
        for score in sorted(group, key=_place):
            mse, mae = score.mse / divisor**2, score.mae / divisor
            scaled = (f"{score.scaled_mse:.2e}", f"{score.scaled_mae:.4f}")
            ratio = f"{score.relative_mae_ratio:.2f}"
            table.add_row(*head, score.model, f"{mse:.4g}", f"{mae:.4g}", *scaled, ratio)
            head = ("", "", "")
    _print(table, file)


def _place(score: FeatureScore) -> tuple[bool, float]:
    """What is served comes first, then the best."""
    return score.model != SERVED, score.mae


def _workloads() -> tuple[ReplayedWorkload, ...]:
    # Where in its trace a replay stands is no matter here.
    return replayed_workloads(0.0)


def _features(workload: ReplayedWorkload) -> WorkloadFeatures:
    return features_of(workload.replay.trace, workload.model, workload.replicas)


def _scores(workloads: Sequence[ReplayedWorkload]) -> list[FeatureScore]:
    from forecaster.engine import Engine  # its models take a moment to load
    from forecaster.model_set import ModelSet

    models = ModelSet.shipped()
    found: list[FeatureScore] = []
    with Progress(console=stderr(), disable=not stderr().is_terminal) as bars:
        for workload in workloads:
            trace = workload.replay.trace
            total = len(origins_of(Parts.of(len(trace.requests_per_second)), trace.first_minute))
            task = bars.add_task(trace.name, total=total)
            found += score_features(
                trace.name,
                _features(workload).named(),
                trace.first_minute,
                Engine(models),
                lambda count, task=task: bars.advance(task, count),  # type: ignore[misc]
            )
    return found


def _feature_document(workload: ReplayedWorkload, features: WorkloadFeatures) -> dict[str, object]:
    return {
        "workload": workload.key,
        "trace": workload.replay.trace.name,
        "days": workload.replay.trace.days,
        "replicas": workload.replicas,
        "features": {
            name: dict(
                zip(
                    (f"p{round(ratio * 100)}" for ratio in QUANTILES),
                    np.quantile(values, QUANTILES).tolist(),
                    strict=True,
                )
            )
            for name, values in features.named().items()
        },
    }


def _document(rows: Iterable[object]) -> dict[str, object]:
    return {"simulated": True, "commit": commit(), "rows": list(rows)}


def _print(table: Table, file: Path | None) -> None:
    console = stdout()
    with console.capture() as capture:
        console.print(table)
    emit(capture.get().rstrip("\n"), file)
