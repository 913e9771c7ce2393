"""NEGAWATT_REQUIRE_COMPONENTS=1 leaves no way to skip, in one process and in several.

It is our own conftest.py, on tiny tests, where no program is on the PATH.
"""

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
TESTS_SKIP = """
import pytest
@pytest.mark.skipif(True, reason="no such library")
def test_skipped(): pass
def test_skips_in_the_middle(): pytest.importorskip("there_is_no_such_module")
@pytest.mark.prometheus
def test_needs_a_component(): pass
"""
EXPECTED_FAILURE = """
import pytest
@pytest.mark.xfail(reason="known", strict=True)
def test_known_fault(): assert False
"""
ONE_PROCESS, SEVERAL = (), ("-n", "1", "--dist", "loadfile")


def run(folder: Path, text: str, *options: str, required: bool) -> subprocess.CompletedProcess[str]:
    """Run one file of tests under the conftest.py of this suite."""
    (folder / "test_it.py").write_text("def test_sound(): pass\n" + text)
    tests = repository.ROOT / "tests"
    paths = (tests, tests / "support", repository.ROOT)
    environ = os.environ | {
        "PATH": str(folder),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "NEGAWATT_REQUIRE_COMPONENTS": "1" if required else "0",
    }
    # A run by several processes tells its own what they are, and any run what it was told.
    told = ("PYTEST_XDIST", "PYTEST_ADDOPTS")
    environ = {name: value for name, value in environ.items() if not name.startswith(told)}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider"),
            *("-p", "no:randomly", "-rs", *options, "."),
        ],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("options", [ONE_PROCESS, SEVERAL], ids=["one", "several"])
def test_whatever_skips_itself_fails_where_components_are_required(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """A library that is hidden from the suite must not pass for tests that held."""
    optional, required = (
        run(tmp_path, TESTS_SKIP, *options, required=one) for one in (False, True)
    )

    assert "1 passed, 3 skipped" in optional.stdout
    assert "prometheus: 1 test skipped: no prometheus on PATH" in optional.stdout
    assert required.returncode == pytest.ExitCode.TESTS_FAILED
    assert required.stdout.count("skipped, though every component is required") >= 2
    assert "prometheus is required: no prometheus on PATH" in required.stdout
    assert " skipped" not in required.stdout.splitlines()[-1]


@pytest.mark.parametrize("options", [ONE_PROCESS, SEVERAL], ids=["one", "several"])
def test_a_file_that_skips_itself_fails_where_components_are_required(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Before it has any test."""
    required = run(tmp_path, FILE_SKIPS, *options, required=True)

    assert required.returncode not in {0, pytest.ExitCode.NO_TESTS_COLLECTED}
    assert "skipped, though every component is required" in required.stdout


def test_expected_failure_is_no_skip(tmp_path: Path) -> None:
    """What is known to fail is reported as such and fails nobody."""
    done = run(tmp_path, EXPECTED_FAILURE, required=True)

    assert done.returncode == 0
    assert "1 xfailed" in done.stdout
