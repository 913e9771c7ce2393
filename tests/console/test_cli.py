"""The command line itself: its version, and usage errors in one line."""

from __future__ import annotations

import pytest
from command_line import negawatt

from forecaster.training.draws import DrawSettings


def test_the_version_names_the_code():
    """Version and commit, so that a report can be traced."""
    done = negawatt("--version")

    assert done.returncode == 0
    assert done.stdout.startswith("negawatt 0.")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["simulat"], "No such command 'simulat'"),
        (
            ["simulate", "place", "--nope"],
            "--nodes); see `negawatt simulate place -",
        ),
        (["simulate", "place", "--pods"], "requires an argument"),
        (["simulate", "place", "--usage-ratio", "many"], "'--usage-ratio'"),
        (["demo", "--seed", "-1"], "'--seed'"),
        (["forecaster", "convert"], "see `negawatt forecaster convert --help`"),
        (["forecaster", "--nope"], "see `negawatt forecaster run --help`"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_2(arguments, complaint):
    """No box, no traceback: what is wrong, and where help is."""
    done = negawatt(*arguments)

    assert done.returncode == 2
    assert not done.stdout
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--cpu", "abacus"], "no CPU 'abacus'"),
        (["--instance-type", "abacus"], "no instance type 'abacus'"),
        (["--servers", "--cpu", "abacus"], "no measured server has the CPU 'abacus'"),
    ],
)
def test_what_the_catalogue_does_not_have_is_named(arguments, complaint):
    """An unknown name is said to be unknown, not only that a size is missing."""
    done = negawatt("energy", "catalogue", *arguments)

    assert done.returncode == 2
    assert complaint in done.stderr


def test_the_help_of_training_names_every_option_whole(monkeypatch):
    """In 80 columns, and with the defaults that training has."""
    monkeypatch.setenv("COLUMNS", "80")
    told = negawatt("forecaster", "train", "--help").stdout
    assert "--synthetic-series " in told
    assert "14" in told
    assert f"(default: {DrawSettings().synthetic_series} for" in told
