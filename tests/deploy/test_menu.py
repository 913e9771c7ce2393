"""The Makefile and .ci/run: what they name exists, and what they need is said."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import components
import pytest

CHECKOUT = components.CHECKOUT
PROMISED = {"demo", "test", "lint", "toolchain", "bench", "clean", "help"}


def make(*arguments: str, folder: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    """Run make, with nothing of a surrounding make."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_plain_make_lists_every_target() -> None:
    """`help` is the default goal; a target without a line in it would be a secret."""
    listed = set(re.findall(r"^  make (\S+)", make().stdout, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None

    assert listed == set(phony[1].split())
    assert listed >= PROMISED


@pytest.mark.parametrize("target", ["demo", "test", "toolchain"])
def test_wrong_python_is_one_clear_line(tmp_path: Path, target: str) -> None:
    """Neither a traceback nor a half-made environment comes of an unfit interpreter."""
    for name in ("Makefile", "uv.lock", "pyproject.toml"):
        (tmp_path / name).symlink_to(CHECKOUT / name)
    answer = make(target, "PYTHON=/bin/false", folder=tmp_path)

    assert answer.returncode == 2
    assert answer.stderr.startswith("make: /bin/false is not Python 3.11 to 3.14; name another")
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("target", ["demo", "test", "toolchain"])
def test_other_system_than_linux_is_one_clear_line(tmp_path: Path, target: str) -> None:
    """The lock file names wheels for Linux alone: say so before anything is installed."""
    for name in ("Makefile", "uv.lock", "pyproject.toml"):
        (tmp_path / name).symlink_to(CHECKOUT / name)
    answer = make(target, "SYSTEM=Darwin", folder=tmp_path)

    assert answer.returncode == 2
    assert answer.stderr.startswith("make: this is Darwin; uv.lock names wheels for Linux alone")
    assert not (tmp_path / ".venv").exists()


def test_packages_that_wheels_and_tests_load_are_installed() -> None:
    """LightGBM loads libgomp.so.1 and a test runs openssl; neither comes with anything else."""
    packages = re.search(
        r"^PACKAGES=\((.*?)^\)", (CHECKOUT / ".ci/run").read_text(), re.MULTILINE | re.DOTALL
    )
    assert packages is not None
    names = re.sub(r"#.*", "", packages[1]).split()

    assert {"libgomp1", "openssl"} <= set(names)


def test_continuous_integration_script_is_sound_shell() -> None:
    """It is executable, parses, stops at errors and never reads its input."""
    script = CHECKOUT / ".ci/run"
    text = script.read_text()

    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert "set -euo pipefail" in text
    assert "exec </dev/null" in text


def test_continuous_integration_runs_only_targets_that_exist() -> None:
    """A renamed target would otherwise be noticed on another machine, after twenty minutes."""
    script = (CHECKOUT / ".ci/run").read_text()
    calls = re.findall(r"(?:^|[\w=] )make ([a-z -]+)$", script, re.MULTILINE)
    used = {target for targets in calls for target in targets.split()}

    assert used == {"environment", "training-libraries", "toolchain", "lint", "test"}
    assert make("-n", *sorted(used)).returncode == 0


def test_the_first_use_lists_no_packages() -> None:
    """Of its 160 lines none was for the reader; a failure is still told."""
    told = make("-n", "-B", "environment").stdout
    assert "uv sync --quiet" in told
