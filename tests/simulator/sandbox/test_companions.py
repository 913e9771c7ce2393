"""A process beside the sandbox: what it is started with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from scraped_prometheus import wait_until

from simulator.sandbox.companions import Companion, log_of
from simulator.sandbox.record import Program


@pytest.mark.parametrize("shadow", ["forecaster", "energy"])
def test_a_folder_that_is_named_as_a_package_of_ours_hides_nothing(tmp_path: Path, shadow) -> None:
    """It works in the sandbox's folder, where each service keeps a folder of its name."""
    (tmp_path / shadow).mkdir()
    say = f"import {shadow}; print({shadow}.__file__, flush=True)"
    started = Companion(
        name="any",
        program=Program(path=Path(sys.executable), argument=say),
        command=(sys.executable, "-c", say),
        port=0,
    )

    started.start(tmp_path)
    log = log_of(tmp_path, "any")
    wait_until(lambda: log.read_text(encoding="utf-8"))

    assert log.read_text(encoding="utf-8").startswith("/")
