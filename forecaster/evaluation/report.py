"""An evaluation as a document: what `--output json` prints, and tables and pages are made from."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from forecaster.evaluation.judgement import SERVED, Judgement
from forecaster.evaluation.scores import Scores, geometric_means

Document = dict[str, Any]


def document(
    judgements: Sequence[Judgement],
    stress: Collection[str] = (),
    made_with: Mapping[str, Any] | None = None,
) -> Document:
    """Make the document.

    Args:
        judgements: of every series.
        stress: series that are reported but left out of every mean.
        made_with: what the figures depend on: model, seed, commit.
    """
    counted = [each for each in judgements if each.name not in stress]
    means = geometric_means({each.name: each.scores for each in counted})
    answered = _answered(counted)
    return {
        "series": {each.name: _series(each, each.name in stress) for each in judgements},
        "served": SERVED,
        "geomean": {
            model: {**asdict(mean), "answered_ratio": answered[model]}
            for model, mean in means.items()
        },
        "pooled": _pooled(counted),
        **(made_with or {}),
    }


def _series(judged: Judgement, stress: bool) -> Document:  # noqa: FBT001 - a column of the document
    return {
        "models": {
            model: {
                **asdict(scores),
                "infinite": _infinite(scores),
                "relative_mae_ratio_by_horizon": dict(
                    zip(
                        map(str, judged.horizons_minutes),
                        judged.relative_mae_by_horizon[model].tolist(),
                        strict=True,
                    )
                ),
            }
            for model, scores in judged.scores.items()
        },
        "surges": judged.surges.surges,
        "surges_seen_ratio": judged.surges.seen_ratio,
        "surges_silent": judged.surges.silent,
        "false_alarms_per_day": judged.surges.false_alarms_per_day,
        "step_minutes": judged.step_minutes,
        "origins": judged.origins,
        "targets": judged.targets,
        "answered_ratio": judged.scores[SERVED].answered_ratio,
        "outage_minutes": judged.outage_minutes,
        "is_stress": stress,
        "notes": list(judged.notes),
    }


def _answered(judgements: Sequence[Judgement]) -> dict[str, float]:
    """By model, the share of the targets of all series for which it said something."""
    said: dict[str, float] = {}
    for each in judgements:
        for model, scores in each.scores.items():
            said[model] = said.get(model, 0.0) + scores.answered_ratio * each.targets
    targets = sum(each.targets for each in judgements)
    return {model: count / targets for model, count in said.items()}


def _infinite(scores: Scores) -> list[str]:
    """Name the ratios that are infinite: JSON has no infinity, and null alone says "no ratio"."""
    return [name for name, value in asdict(scores).items() if math.isinf(value)]


def _pooled(judgements: Sequence[Judgement]) -> Document:
    """Coverage of the served forecast over all targets of all series."""
    held_80, held_95, targets = (
        sum(each.inside[place] for each in judgements) for place in range(3)
    )
    return {
        SERVED: {
            "coverage_80_ratio": held_80 / targets if targets else math.nan,
            "coverage_95_ratio": held_95 / targets if targets else math.nan,
            "targets": targets,
        }
    }
