"""Which workloads opted in by annotations: `negawatt.dev/forecast` and `…/lead-time-seconds`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from forecaster.selection import (
    FORECAST_ANNOTATION,
    LEAD_TIME_ANNOTATION,
    Selection,
    lead_time_of_text,
)


def selection_of(annotations: Mapping[str, Mapping[str, str]], fixed: Selection) -> Selection:
    """The settings' selection with what the cluster says.

    ``annotations`` are those of workloads by their keys. "true" opts in, "false" opts out whatever
    the settings say, and a lead time alone opts in to nothing. A lead time that is none counts as
    none.
    """
    annotated: dict[str, float | None] = {}
    refused = set()
    for key, said in annotations.items():
        wish = said.get(FORECAST_ANNOTATION, "").strip().lower()
        if wish == "true":
            annotated[key] = lead_time_of_text(said.get(LEAD_TIME_ANNOTATION, ""))
        elif wish == "false":
            refused.add(key)
    return replace(fixed, annotated=annotated, refused=frozenset(refused))
