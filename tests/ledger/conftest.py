"""Real databases, ledgers without a record: what every test of the ledger's behaviour runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import components
import pytest
from database_fixtures import DATABASES, kinds_here

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


@pytest.fixture
def ledgers(empty_ledger: Callable[[str], str]) -> Iterator[tuple[Ledger, ...]]:
    """Return an empty ledger of each kind: what takes long to draw is tried on all of them.

    Where a server may be absent, on those that are there.
    """
    kinds = kinds_here(components.lack, required=components.REQUIRED)
    with ExitStack() as opened:
        yield tuple(opened.enter_context(Ledger.open(empty_ledger(kind))) for kind in kinds)
