"""An evaluation as one HTML file that needs no network: tables, skill, calibration, days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from console import forecast_plots as plots
from console import forecast_tables as tables
from console.placement_page import Page, Section, render
from forecaster.evaluation.drawn_day import DrawnDay
from forecaster.evaluation.judgement import Judgement


def page(result: Mapping[str, Any], judgements: Sequence[Judgement]) -> str:
    """The page.

    Args:
        result: the document of the evaluation.
        judgements: of the same series; each has the day that is drawn.
    """
    relative, served = list(tables.relative_rows(result)), list(tables.served_rows(result))
    return render(
        Page(
            title="Forecasts judged",
            lines=tables.caption(result),
            headings=relative[0],
            rows=relative[1:],
            plots=[
                ("Skill by horizon and model", plots.skill_by_horizon(result)),
                ("Calibration of the served forecast", plots.calibration(result)),
                *((_day_title(each.name, each.day), plots.day(each.day)) for each in judgements),
            ],
            sections=[Section(title="Served forecast", headings=served[0], rows=served[1:])],
        )
    )


def _day_title(name: str, drawn: DrawnDay) -> str:
    first = datetime.fromtimestamp(int(drawn.minutes[0]) * 60, UTC)
    return (
        f"{name}: 24 hours from {first:%Y-%m-%d %H:%M} UTC,"
        f" forecast {drawn.horizon_minutes} minutes before"
    )
