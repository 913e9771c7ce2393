"""The generated pages of docs/reference: `python -m forecaster.reference FOLDER` writes them."""

from __future__ import annotations

import sys
from pathlib import Path

from forecaster.metrics import FAMILIES
from forecaster.settings import SOURCE
from telemetry.serving.reference import (
    SETTINGS_TEXT,
    family_row,
    generated,
    series_page,
)
from telemetry.serving.reference import settings_page as page_of

GENERATED = generated("forecaster.reference")

METRICS_HEAD = f"""# Metrics of the forecaster

{GENERATED}

`GET /metrics` of `negawatt forecaster run` gives them in Prometheus' text format; off loopback with
a token ([HTTP interface](forecaster-http.md)). The unit ends a name; only `_total` may follow it.
Errors are those of forecasts whose time has come, decayed; a series without a value is absent.

Prometheus adds labels of its own to what it scrapes. Where it sets `namespace` from the pod that it
scraped, scrape with `honorLabels: true`, or ours arrives as `exported_namespace`.
"""

SETTINGS_HEAD = f"""# Settings of the forecaster

{GENERATED}

`negawatt forecaster run` {SETTINGS_TEXT}"""


def metrics_page() -> str:
    """Every series that `/metrics` may have."""
    return series_page(METRICS_HEAD, map(family_row, FAMILIES))


def settings_page() -> str:
    """Every setting, in the order of the class."""
    return page_of(SETTINGS_HEAD, SOURCE)


PAGES = {
    "forecaster-metrics.md": metrics_page,
    "forecaster-settings.md": settings_page,
}


def main() -> None:
    """Write the pages into the folder that is named."""
    for name, page in PAGES.items():
        (Path(sys.argv[1]) / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
