"""One control plane for all tests of the extender's failures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from extender_stage import Stage, staged


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a control plane whose scheduler asks an extender; use bursts of names of your own."""
    with staged(tmp_path_factory.mktemp("stage")) as started:
        yield started
