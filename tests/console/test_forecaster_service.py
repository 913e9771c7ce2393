"""`negawatt forecaster models | rollback`, and `run` where it cannot start."""

from __future__ import annotations

import json

import pytest
from command_line import negawatt

from energy.errors import InputError
from forecaster.registry import SHIPPED, Registry


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Give a models' directory that the commands take from the environment."""
    monkeypatch.setenv("NEGAWATT_FORECASTER__MODELS_DIRECTORY", str(tmp_path))
    return Registry(tmp_path)


def trained(registry: Registry, name: str) -> str:
    """Make a version's folder."""
    folder = registry.folder / name
    folder.mkdir()
    described = {
        "id": name,
        "created": "2026-11-22",
        "validation": {"lstm": {"relative_mae_ratio": 0.61}},
    }
    (folder / "model.json").write_text(json.dumps(described))
    return name


def test_versions_are_listed_with_their_roles_and_what_changed(registry):
    """For people, and for programs."""
    registry.challenge(trained(registry, "20260101-1"), "trained", 1_700_000_000.0)
    registry.promote("20260101-1", "better by a tenth", 1_700_000_000.0)
    shown = negawatt("forecaster", "models")
    assert shown.returncode == 0
    assert "20260101-1" in shown.stdout
    assert "champion" in shown.stdout
    assert "0.6100" in shown.stdout
    assert "2023-11-14 22:13 UTC  promote 20260101-1: better by a tenth" in shown.stdout

    found = json.loads(negawatt("forecaster", "models", "--output", "json").stdout)
    assert (found["champion"], found["previous"]) == ("20260101-1", SHIPPED)
    assert found["versions"][0]["description"]["validation"]["lstm"]["relative_mae_ratio"] > 0


def test_rollback_goes_back_and_says_so(registry):
    """To the version before, or to the one that is named."""
    registry.challenge(trained(registry, "20260101-1"), "trained", 1_700_000_000.0)
    registry.promote("20260101-1", "better", 1_700_000_000.0)
    done = negawatt("forecaster", "rollback")
    assert (done.returncode, registry.state().champion) == (0, SHIPPED)
    assert "version shipped serves in place of 20260101-1" in done.stderr

    done = negawatt("forecaster", "rollback", "20260101-1", "--output", "json")
    assert json.loads(done.stdout) == {"champion": "20260101-1", "replaced": SHIPPED}

    again = negawatt("forecaster", "rollback", "20260101-1")
    assert (again.returncode, again.stdout) == (2, "")
    assert "serves already" in again.stderr
    assert negawatt("forecaster", "rollback", "nothing").returncode == 2


def test_rollback_with_one_version_says_that_there_is_none_before_it(registry):
    """There is nothing to name, and nothing is changed."""
    done = negawatt("forecaster", "rollback")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no version before shipped" in done.stderr
    assert not list(registry.folder.iterdir())


def test_a_forecaster_without_samples_does_not_start(registry):
    """It says in one line what is missing."""
    done = negawatt("forecaster", "run")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--prometheus-url" in done.stderr
    assert "is no pattern" in negawatt("forecaster", "--opt-in", "=3").stderr


def test_folder_of_models_that_does_not_do_is_bad_usage(tmp_path):
    """Given wrongly it is said so in one line, with the code of all that is given wrongly."""
    file = tmp_path / "good.csv"
    file.touch()
    shown = negawatt("forecaster", "models", "--models-directory", str(file))
    assert shown.returncode == 2
    assert "is no folder; give --models-directory a folder" in " ".join(shown.stderr.split())

    registry = Registry(tmp_path / "held")
    registry.folder.mkdir()
    version = trained(registry, "20260101-1")
    (registry.folder / ".lock").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        registry.challenge(version, "trained", 0.0)
