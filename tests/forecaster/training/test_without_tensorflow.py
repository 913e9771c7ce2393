"""A machine without TensorFlow says in a line what training needs; the rest works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WITHOUT = "import sys; sys.modules['keras'] = sys.modules['tensorflow'] = None; "


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as if the libraries were not there."""
    command = [sys.executable, "-c", WITHOUT + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_names_what_to_install(tmp_path: Path) -> None:
    """One line, no traceback, and nothing written; before it what was done to the trace."""
    into, trace = tmp_path / "models", tmp_path / "shop.csv"
    trace.write_text("timestamp,value\n0,1\n60,2\n60,3\n120,4\n", encoding="utf-8")
    options = ("--traces", str(trace), "--into", str(into))

    answer = run("from console.cli import main; main()", "forecaster", "train", *options)

    assert answer.returncode == 1
    assert "training needs keras" in answer.stderr
    assert "make training-libraries" in answer.stderr
    note, *others = answer.stderr.splitlines()
    assert note == "shop: 1 rows have the time of another: the last counts"
    assert len(others) == 1
    assert not into.exists()


def test_retraining_ends_with_the_code_of_a_missing_library(tmp_path: Path) -> None:
    """`forecaster.retraining` tells it from a failure."""
    options = ("--history", str(tmp_path / "none.npz"), "--out", str(tmp_path))

    answer = run("from forecaster.training.__main__ import main; sys.exit(main())", *options)

    assert answer.returncode == 4
    assert answer.stderr == "training needs keras\n"
