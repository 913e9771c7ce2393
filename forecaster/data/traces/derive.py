"""Derive the traces that travel with the forecaster from the public originals.

Run it once per change: ``python forecaster/data/traces/derive.py ORIGINALS`` where ORIGINALS holds
``ms-cloud-monitoring/`` and ``nasa-http/`` (sources: README beside this). It writes NAME.csv.gz
next to itself.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from forecaster.evaluation.conversion import find_sources, points, write_trace

HERE = Path(__file__).parent
#: Name of the file, of the trace it is a piece of, from where, and how many days.
PIECES = (
    ("mongo-01", "mongo-01", "2018-04-25", 11),
    ("ingress-03", "ingress-03", "2018-04-25", 11),
    ("nasa-august", "nasa", "1995-08-14", 14),
)
DIGITS = 5


def derive(originals: Path) -> None:
    """Write every piece, its values to five digits."""
    sources = find_sources([originals])
    for name, trace, day, days in PIECES:
        starts, values = points(sources[trace])
        first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) // 60
        chosen = (starts >= first) & (starts < first + days * 24 * 60)
        rounded = np.array([float(f"{value:.{DIGITS}g}") for value in values[chosen]])
        write_trace(HERE / f"{name}.csv.gz", starts[chosen], rounded)


if __name__ == "__main__":
    derive(Path(sys.argv[1]))
