"""The shipped scheduler configurations, made fit for a control plane of a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import repository
import yaml

FOLDER: Final = repository.ROOT / "deploy/scheduler"
SECOND: Final = FOLDER / "second-scheduler.yaml"
DEFAULT: Final = FOLDER / "default-scheduler.yaml"


def shipped(file: Path = SECOND) -> dict[str, Any]:
    """Return a shipped KubeSchedulerConfiguration as it is."""
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def for_a_test(configuration: dict[str, Any], *, extender_url: str = "") -> dict[str, Any]:
    """Return it with the extender elsewhere, one replica, and no limit on API requests.

    `extender_url` includes the path, such as http://127.0.0.1:12345/scheduler; a configuration
    without an extender needs none.
    """
    return configuration | {
        "clientConnection": {"qps": 5000, "burst": 10000},
        "leaderElection": {"leaderElect": False},
        "extenders": [
            extender | {"urlPrefix": extender_url}
            for extender in configuration.get("extenders", ())
        ],
    }


def written(configuration: dict[str, Any], folder: Path) -> Path:
    """Write a configuration where a control plane can read it."""
    file = folder / "kube-scheduler.yaml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    return file
