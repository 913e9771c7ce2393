"""Real databases, ledgers without a record: what every test of the ledger's behaviour runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from database_fixtures import DATABASES

from ledger.store import Ledger


@pytest.fixture(params=DATABASES)
def ledger_url(request: pytest.FixtureRequest, empty_ledger: Callable[[str], str]) -> str:
    """Return the URL of a ledger without a record, one of each kind."""
    return empty_ledger(request.param)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """Return an empty ledger."""
    with Ledger.open(ledger_url) as opened:
        yield opened
