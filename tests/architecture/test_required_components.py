"""NEGAWATT_REQUIRE_COMPONENTS=1 leaves no way to skip: our own conftest.py, on tiny tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import repository

FILE_SKIPS = """
import pytest
pytest.importorskip("there_is_no_such_module")
def test_never_collected(): pass
"""
TEST_SKIPS = """
import pytest
@pytest.mark.skipif(True, reason="no such library")
def test_skipped(): pass
"""
TEST_IMPORTS = """
import pytest
def test_skips_in_the_middle(): pytest.importorskip("there_is_no_such_module")
"""
EXPECTED_FAILURE = """
import pytest
@pytest.mark.xfail(reason="known", strict=True)
def test_known_fault(): assert False
"""


def run(folder: Path, text: str, *, required: bool) -> subprocess.CompletedProcess[str]:
    """Run one file of tests under the conftest.py of this suite."""
    (folder / "test_it.py").write_text("def test_sound(): pass\n" + text)
    tests = repository.ROOT / "tests"
    paths = (tests, tests / "support", repository.ROOT)
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "NEGAWATT_REQUIRE_COMPONENTS": "1" if required else "0",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-rs", "."],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("text", [FILE_SKIPS, TEST_SKIPS, TEST_IMPORTS])
def test_whatever_skips_itself_fails_where_components_are_required(
    tmp_path: Path, text: str
) -> None:
    """A library that is hidden from the suite must not pass for tests that held."""
    optional, required = (run(tmp_path, text, required=one) for one in (False, True))

    assert "1 skipped" in optional.stdout
    assert "failed" not in optional.stdout
    assert required.returncode not in {0, pytest.ExitCode.NO_TESTS_COLLECTED}
    assert "skipped, though every component is required" in required.stdout


def test_expected_failure_is_no_skip(tmp_path: Path) -> None:
    """What is known to fail is reported as such and fails nobody."""
    done = run(tmp_path, EXPECTED_FAILURE, required=True)

    assert done.returncode == 0
    assert "1 xfailed" in done.stdout
