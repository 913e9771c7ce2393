"""The versions of the models, as `GET /models` and `negawatt forecaster models` tell of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from energy.errors import NegawattError
from forecaster.figures import Errors
from forecaster.own_errors import OwnError
from forecaster.registry import DESCRIPTION, SHIPPED, Event, Registry, RegistryState

#: The same as `forecaster.model_set.SHIPPED`, without the libraries that models need.
SHIPPED_FOLDER = Path(__file__).parent / "data" / "models" / "shipped"


class VersionReport(BaseModel):
    """One version: what it is, and what its description says.

    Attributes:
        version: its name.
        role: champion, challenger, previous, or empty.
        description: `model.json`; null where it cannot be read.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    role: str
    description: dict[str, Any] | None


class ModelsReport(BaseModel):
    """All versions, and how what serves does.

    Attributes:
        champion: which version is to serve.
        serving: which one this process serves; null where no process was asked.
        trouble: why another than the champion serves; null where it does.
        challenger: which one forecasts in the shadow.
        challenger_verdict: how it, or after a promotion who served before, stands against the
            champion here.
        previous: which one a rollback goes back to.
        training: what came of the last training.
        versions: all that are there.
        errors: recent errors by model of the mixture, over this process's workloads.
        history: changes, the newest last.
    """

    model_config = ConfigDict(frozen=True)

    champion: str
    serving: str | None = None
    trouble: str | None = None
    challenger: str | None
    challenger_verdict: str | None = None
    previous: str | None
    training: str | None = None
    versions: tuple[VersionReport, ...]
    errors: dict[str, Errors] = {}
    history: tuple[Event, ...]


def models_report(  # noqa: PLR0913 - but for two all have defaults
    registry: Registry,
    state: RegistryState,
    *,
    serving: str | None = None,
    trouble: str | None = None,
    verdict: str | None = None,
    training: str | None = None,
    errors: Mapping[str, OwnError] | None = None,
) -> ModelsReport:
    """What the registry said last, with what a process knows of it."""
    roles = {state.previous: "previous", state.challenger: "challenger", state.champion: "champion"}
    return ModelsReport(
        champion=state.champion,
        serving=serving,
        trouble=trouble,
        challenger=state.challenger,
        challenger_verdict=verdict,
        previous=state.previous,
        training=training,
        versions=tuple(
            VersionReport(
                version=version,
                role=roles.get(version, ""),
                description=_description(registry, version),
            )
            for version in registry.versions()
        ),
        errors={
            model: Errors(**{name: getattr(error, name) for name in Errors.model_fields})
            for model, error in (errors or {}).items()
        },
        history=state.history,
    )


def _description(registry: Registry, version: str) -> dict[str, Any] | None:
    try:
        folder = registry.path(version) if version != SHIPPED else SHIPPED_FOLDER
        found = json.loads(((folder or SHIPPED_FOLDER) / DESCRIPTION).read_bytes())
    except (NegawattError, OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
