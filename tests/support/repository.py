"""The checkout as the architecture tests see it."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def project() -> dict:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages() -> list[str]:
    """Return the folders at the root that are packages."""
    return sorted(found.parent.name for found in ROOT.glob("*/__init__.py"))


@cache
def known_files() -> tuple[Path, ...]:
    """Return what git tracks or would track; without git, what .gitignore does not name."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return _unignored_files()
    files = {ROOT / name for name in listed.stdout.split("\0") if name}
    return tuple(sorted(file for file in files if file.is_file()))


def _unignored_files() -> tuple[Path, ...]:
    """Walk the checkout of somebody who downloaded an archive."""
    patterns = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]

    def kept(file: Path) -> bool:
        parts = file.relative_to(ROOT).parts
        return not any(fnmatch(part, pattern) for part in parts for pattern in (".git", *patterns))

    return tuple(sorted(file for file in ROOT.rglob("*") if file.is_file() and kept(file)))


def python_files() -> list[Path]:
    """Return all Python code, tests and scripts included."""
    return [file for file in known_files() if file.suffix == ".py"]


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """Yield each function's name and how many lines it has, decorators left out."""
    for found in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
            yield found.name, (found.end_lineno or found.lineno) - found.lineno + 1


def relative(file: Path) -> str:
    """Return a file's name as seen from the root."""
    return str(file.relative_to(ROOT))
