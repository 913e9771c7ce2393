"""The wheel that hatchling builds holds our packages with their data, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import repository


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Build the wheel from what git knows, as a release does; return the names inside."""
    folder = tmp_path_factory.mktemp("wheel")
    source, built = folder / "source", folder / "built"
    for file in repository.known_files():
        target = source / file.relative_to(repository.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    done = subprocess.run(
        [*command, "--directory", str(built)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (archive,) = built.glob("*.whl")
    with zipfile.ZipFile(archive) as opened:
        return frozenset(opened.namelist())


def test_the_wheel_holds_exactly_our_packages(wheel: frozenset[str]) -> None:
    """Every file of every package is in it, data included, and no other folder is."""
    expected = {
        repository.relative(file)
        for file in repository.known_files()
        if file.relative_to(repository.ROOT).parts[0] in repository.packages()
    }
    metadata = {name for name in wheel if name.split("/")[0].endswith(".dist-info")}

    assert wheel - metadata == expected


def test_the_wheel_carries_licence_and_notice(wheel: frozenset[str]) -> None:
    """Whoever has the wheel has the terms."""
    names = {Path(name).name for name in wheel}

    assert {"LICENSE", "NOTICE"} <= names
