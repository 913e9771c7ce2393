"""A scheduler configuration as the sandbox hands it on: with a client that is not held back."""

from __future__ import annotations

from pathlib import Path

import yaml

from energy.errors import InputError

#: The default of 50 requests a second would be what is measured in place of the scheduler.
CLIENT_LIMITS = {"qps": 5000, "burst": 10000}
KIND = "KubeSchedulerConfiguration"


def unlimited_client(path: Path) -> str:
    """Give the configuration with a generous request limit where it names none, as YAML.

    Raises:
        InputError: there is no such file, or it configures no scheduler.
    """
    where, mend = str(path), "give a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1)"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise InputError(reason, where=where, mend=mend) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InputError("no YAML", where=where, mend=mend) from None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise InputError("this is no scheduler configuration", where=where, mend=mend)
    connection = document.get("clientConnection")
    stated = connection if isinstance(connection, dict) else {}
    text: str = yaml.safe_dump(
        {**document, "clientConnection": {**CLIENT_LIMITS, **stated}}, sort_keys=False
    )
    return text
