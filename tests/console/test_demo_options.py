"""What `negawatt demo` prints and where it leaves its files, on an hour instead of a day."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app


def test_the_document_is_printed_as_json_and_left_where_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same document, and nothing else on stdout."""
    monkeypatch.setattr("simulator.demo.WARM_UP_HOURS", 0.25)
    monkeypatch.setattr("simulator.demo.MEASURED_HOURS", 0.25)
    left = tmp_path / "left"

    done = CliRunner().invoke(app, ["demo", "--directory", str(left), "--output", "json"])

    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed == json.loads((left / "result.json").read_text(encoding="utf-8"))
    assert (left / "index.html").is_file()
