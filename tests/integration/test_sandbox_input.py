"""`negawatt sandbox` refuses in one line what it cannot use, and touches nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import negawatt


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nodes", "0"], "--nodes: 0 nodes cannot be simulated"),
        (["--fleet", "mixd"], "--fleet: no fleet is named 'mixd'"),
        (["--with", "grafana"], "--with: 'grafana' cannot be added"),
        (["--usage-ratio", "2"], "--usage-ratio: 2.0 cannot be used"),
        (["--output", "html"], "--output: there is no output 'html'"),
        (["--scheduler-config", "/none.yaml"], "/none.yaml: no such file or directory"),
        (["--no-extender", "--act"], "--no-extender: an extender that is left out has no mode"),
        (["--no-extender", "--nodes-may-sleep"], "--nodes-may-sleep: an extender that is left out"),
        (["--nodes", "many"], "Invalid value for '--nodes'"),
    ],
)
def test_option_that_cannot_be_used_is_one_line(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    """What, where and how to mend; nothing is started and nothing is left."""
    done = negawatt("sandbox", "up", "--state", tmp_path / "state", *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_folder_with_other_things_in_it_is_not_taken(tmp_path: Path) -> None:
    """Neither to start in nor to remove."""
    (tmp_path / "thesis.tex").touch()
    for command in ("up", "down"):
        done = negawatt("sandbox", command, "--state", tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "something else in this folder" in done.stderr

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
