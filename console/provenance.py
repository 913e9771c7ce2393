"""Which code a figure came from: the commit of the checkout, or the installed version."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def commit() -> str:
    """The checkout's commit (with ``+changes`` if it was edited), else the package's version."""
    root = Path(__file__).resolve().parent.parent
    if (root / ".git").exists():
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        if head:
            changed = _git(root, "status", "--porcelain", "--untracked-files=no")
            return f"{head}+changes" if changed else head
    try:
        return f"negawatt {version('negawatt')}"
    except PackageNotFoundError:
        return "unknown"


def _git(root: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(root), *arguments],  # noqa: S607 - git is found on PATH
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
