"""Real databases, empty ones: what every test of the ledger's behaviour runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from database_fixtures import DATABASES

from ledger.store import Ledger


@pytest.fixture(params=DATABASES)
def ledger_url(request: pytest.FixtureRequest, empty_database: Callable[[str], str]) -> str:
    """Return the URL of an empty database, one of each kind."""
    return empty_database(request.param)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """Return an empty ledger."""
    with Ledger.open(ledger_url) as opened:
        yield opened
