"""The generated pages of docs/reference: `python -m extender.reference FOLDER` writes them."""

from __future__ import annotations

import sys
from pathlib import Path

from extender.metrics import RequestMetrics, build_info
from extender.settings import SOURCE
from extender.state_metrics import FAMILIES
from extender.tiers.metrics import FAMILIES as TIERS_FAMILIES
from extender.tiers.settings import SOURCE as TIERS_SOURCE
from telemetry.serving.reference import (
    SETTINGS_TEXT,
    client_row,
    family_row,
    generated,
    series_page,
)
from telemetry.serving.reference import settings_page as page_of

GENERATED = generated("extender.reference")
ALWAYS = "negawatt_"

METRICS_HEAD = f"""# Metrics of the extender

{GENERATED}

`GET /metrics` gives them in Prometheus' text format; off loopback with a token, as all but health
([HTTP interface](extender-http.md)). The unit ends a name; only `_total` may follow it. Watts are
wall watts. *Predicted* is what a power curve says for a load, *measured* what a meter says.

Nothing forgone was measured: `forgone_…` is the difference of two predictions, and signed. Summing
it says what a different choice of node for each single pod would have changed, not what a cluster
would draw in which every choice had been different.

Prometheus adds labels of its own to what it scrapes. Where it sets `namespace` from the pod that it
scraped, scrape with `honorLabels: true`, or ours arrives as `exported_namespace`.
"""

TIERS_METRICS_HEAD = f"""# Metrics of the controller of tiers

{GENERATED}

`GET /metrics` of `negawatt extender tiers run` gives them in Prometheus' text format; off loopback
with a token. `GET /tiers` says the same node by node, with reasons. Those of the ledger are there
where one is kept (`--ledger-url`).
"""

SETTINGS_HEAD = f"""# Settings of the extender

{GENERATED}

`negawatt extender run` {SETTINGS_TEXT}"""

TIERS_SETTINGS_HEAD = f"""# Settings of the controller of tiers

{GENERATED}

`negawatt extender tiers run` {SETTINGS_TEXT}"""


def metrics_page() -> str:
    """Every series that `/metrics` may have."""
    requests = [
        family for family in RequestMetrics().registry.collect() if family.name.startswith(ALWAYS)
    ]
    rows = [*map(client_row, requests), *map(family_row, (build_info(), *FAMILIES))]
    return series_page(METRICS_HEAD, rows)


def tiers_metrics_page() -> str:
    """Every series that the controller's `/metrics` may have."""
    return series_page(TIERS_METRICS_HEAD, map(family_row, TIERS_FAMILIES))


def settings_page() -> str:
    """Every setting, in the order of the class."""
    return page_of(SETTINGS_HEAD, SOURCE)


def tiers_settings_page() -> str:
    """Every setting of the controller, in the order of the class."""
    return page_of(TIERS_SETTINGS_HEAD, TIERS_SOURCE)


PAGES = {
    "metrics.md": metrics_page,
    "extender-settings.md": settings_page,
    "tiers-metrics.md": tiers_metrics_page,
    "tiers-settings.md": tiers_settings_page,
}


def main() -> None:
    """Write the pages into the folder that is named."""
    for name, page in PAGES.items():
        (Path(sys.argv[1]) / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
