"""The generated pages on the bridge: `python -m telemetry.bridge.reference FOLDER` writes them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from telemetry.bridge.metrics import FAMILIES
from telemetry.bridge.settings import SOURCE
from telemetry.serving.reference import (
    SETTINGS_TEXT,
    family_row,
    generated,
    series_page,
    settings_page,
    table,
)
from telemetry.traffic.presets import PRESETS
from telemetry.traffic.query import TrafficScope

_GENERATED: Final = generated("telemetry.bridge.reference")

METRICS_HEAD: Final = f"""# Metrics of the bridge

{_GENERATED}

`GET /metrics` of `negawatt telemetry run` gives them in Prometheus' text format; off loopback with
a token. Worth an alert: `negawatt_telemetry_minutes_behind` above 5.
"""

SETTINGS_HEAD: Final = f"""# Settings of the bridge

{_GENERATED}

`negawatt telemetry run` {SETTINGS_TEXT}"""

QUERIES_HEAD: Final = f"""# Queries of traffic

{_GENERATED}

What `negawatt telemetry queries` prints by default. [How to choose and write
them](../how-to/stream-traffic.md); the metrics that they read:

"""


def metrics() -> str:
    """Every series that `/metrics` may have."""
    return series_page(METRICS_HEAD, map(family_row, FAMILIES))


def settings() -> str:
    """Every setting, in the order of the class."""
    return settings_page(SETTINGS_HEAD, SOURCE)


def queries() -> str:
    """Every preset: its metrics, and its PromQL with the default window."""
    metrics_rows = [
        (preset.name, f"`{metric}`", mend)
        for preset in PRESETS.values()
        for metric, mend in preset.metrics.items()
    ]
    parts = [QUERIES_HEAD + table(("preset", "metric", "if it is not there"), metrics_rows)]
    for preset in PRESETS.values():
        parts.append(f"## {preset.name}\n\n{preset.about[0].upper()}{preset.about[1:]}.")
        parts += [
            f"`{query.signal}`:\n\n```promql\n{query.render(TrafficScope())}\n```"
            for query in preset.queries
        ]
    return "\n\n".join(parts) + "\n"


PAGES: Final[dict[str, Callable[[], str]]] = {
    "telemetry-metrics.md": metrics,
    "telemetry-queries.md": queries,
    "telemetry-settings.md": settings,
}


def main() -> None:
    """Write the pages into the folder that is named."""
    for name, page in PAGES.items():
        (Path(sys.argv[1]) / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
