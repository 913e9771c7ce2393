"""The pages as HTML: templates of this package, everything escaped, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Final
from urllib.parse import urlencode

import jinja2

from extender.prediction.answer import Answer
from extender.prediction.form import SHOWN_MAX, Form, Shown
from extender.prediction.registry import Model
from ledger.pages import PredictionPage

#: Columns of the form with their units.
LABELS: Final = (
    ("id", "id"),
    ("cpus", "CPU (cores)"),
    ("memory", "memory (gigabytes)"),
    ("energy_rate", "energy rate (watts per core at full load)"),
    ("cpu_usage", "CPU in use (percent, empty: 0)"),
    ("idle_watts", "idle (watts, if known)"),
)


def form_page(form: Form, shown: Shown, *, models: Iterable[Model], has_cluster: bool) -> str:
    """The form for these models, with the answer or what is wrong."""
    columns = [{"name": name, "label": label} for name, label in LABELS]
    return (
        _templates()
        .get_template("predict.html")
        .render(form=form, shown=shown, models=models, has_cluster=has_cluster, columns=columns)
    )


def history_page(page: PredictionPage, kept: dict[str, str]) -> str:
    """A page of the history; ``kept`` are the filters that the next page has too."""
    older = None
    if page.cursor is not None:
        older = f"/predictions?{urlencode({**kept, 'format': 'html', 'cursor': page.cursor})}"
    template = _templates().get_template("history.html")
    return template.render(predictions=page.predictions, older=older)


@cache
def style_sheet() -> bytes:
    """The style sheet of the pages."""
    return resources.files("extender.prediction").joinpath("templates", "style.css").read_bytes()


def shown(answer: Answer) -> Shown:
    """The first servers for people: cheapest first, then those that the task does not fit."""
    servers = sorted(answer.servers, key=lambda each: (each["rank"] is None, each["rank"] or 0))
    return Shown(answer=answer, servers=servers[:SHOWN_MAX], more=max(0, len(servers) - SHOWN_MAX))


@cache
def _templates() -> jinja2.Environment:
    # A column that has no error has none to show, so what is missing is empty, not wrong.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("extender.prediction"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    return environment


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g}"
