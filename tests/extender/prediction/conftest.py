"""Databases for the history of predictions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from database_fixtures import DATABASES


@pytest.fixture(params=DATABASES)
def ledger_url(request: pytest.FixtureRequest, empty_database: Callable[[str], str]) -> str:
    """Return the URL of an empty database, one of each kind."""
    return empty_database(request.param)
