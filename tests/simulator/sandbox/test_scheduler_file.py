"""A scheduler configuration is handed on as it is, but for a client that is not held back."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from energy.errors import InputError
from simulator.sandbox.scheduler_file import CLIENT_LIMITS, unlimited_client

PLAIN = {
    "apiVersion": "kubescheduler.config.k8s.io/v1",
    "kind": "KubeSchedulerConfiguration",
    "profiles": [{"schedulerName": "negawatt"}],
}


def written(folder: Path, document: object) -> Path:
    """Write it as YAML."""
    (folder / "scheduler.yaml").write_text(yaml.safe_dump(document))
    return folder / "scheduler.yaml"


def test_limits_are_added_and_nothing_else_changes(tmp_path: Path) -> None:
    """Fifty requests a second would be what is measured."""
    found = yaml.safe_load(unlimited_client(written(tmp_path, PLAIN)))

    assert found == {**PLAIN, "clientConnection": CLIENT_LIMITS}


def test_limit_that_somebody_chose_is_kept(tmp_path: Path) -> None:
    """Whoever writes one down wants to see what it does."""
    chosen = {**PLAIN, "clientConnection": {"qps": 7}}
    found = yaml.safe_load(unlimited_client(written(tmp_path, chosen)))

    assert found["clientConnection"] == {**CLIENT_LIMITS, "qps": 7}


@pytest.mark.parametrize("text", ["", "[]", "kind: Pod", "{", "kind: [KubeScheduler"])
def test_what_configures_no_scheduler_is_refused(tmp_path: Path, text: str) -> None:
    """Before anything starts, in one line."""
    file = tmp_path / "scheduler.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match="give a KubeSchedulerConfiguration") as caught:
        unlimited_client(file)

    assert "\n" not in str(caught.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        unlimited_client(tmp_path / "none.yaml")
