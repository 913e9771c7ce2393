"""Real databases, empty ones: what every test of the ledger's behaviour runs on.

Another database joins by one more entry in DATABASES: a function that returns the URL of an empty
database, given a folder of the test's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.store import Ledger

DATABASES: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder / 'ledger.db'}",
}


@pytest.fixture(params=DATABASES)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database, one of each kind."""
    return DATABASES[request.param](tmp_path)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """Return an empty ledger."""
    with Ledger.open(ledger_url) as opened:
        yield opened
