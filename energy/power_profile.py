"""The PowerProfile that an operator writes for a group of nodes: a YAML or JSON file.

One document for each profile (or a list of them); docs/reference/power-profiles.md describes the
fields. Watts are given as eleven load levels, as points of a curve, or as idle and peak alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from energy.errors import InputError
from energy.power_curve import LOAD_LEVELS, PowerCurve
from energy.profile import (
    DERIVED,
    SHUTDOWN_SECONDS,
    SLEEP_WATTS,
    WAKE_SECONDS,
    NodePowerProfile,
    ProfileSource,
    Scope,
)

API_VERSION: Final = "negawatt.dev/v1alpha1"
#: Somebody wrote it down for these very nodes; a meter on the node would say more.
WRITTEN_TRUST: Final = 0.8
_MAX_FILE_BYTES: Final = 4 * 1024 * 1024


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class _Metadata(_Strict):
    name: str = Field(min_length=1, max_length=253)
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class _Point(_Strict):
    utilisation_ratio: float = Field(ge=0, le=1)
    watts: float = Field(gt=0)


class PowerProfileSpec(_Strict):
    """What a PowerProfile says of the nodes that its selector matches."""

    nodeSelector: dict[str, str] = Field(min_length=1)  # noqa: N815 - Kubernetes' name
    scope: Literal["wall", "package"] = "wall"
    trust: float = Field(default=WRITTEN_TRUST, ge=0, le=1)
    idle_watts: float | None = Field(default=None, gt=0)
    peak_watts: float | None = Field(default=None, gt=0)
    load_level_watts: list[float] | None = None
    curve: list[_Point] | None = None
    sleep_watts: float = Field(default=SLEEP_WATTS, ge=0)
    wake_seconds: float = Field(default=WAKE_SECONDS, ge=0)
    wake_joules: float | None = Field(default=None, ge=0)
    shutdown_seconds: float = Field(default=SHUTDOWN_SECONDS, ge=0)
    shutdown_joules: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _one_way_to_say_watts(self) -> Self:
        two_points = self.idle_watts is not None, self.peak_watts is not None
        ways = (all(two_points), self.load_level_watts is not None, self.curve is not None)
        if any(two_points) != all(two_points) or sum(ways) != 1:
            raise ValueError(
                "give idle_watts and peak_watts, or load_level_watts, or curve, and only one"
            )
        if all(two_points) and (self.idle_watts or 0) >= (self.peak_watts or 0):
            raise ValueError("idle_watts must be below peak_watts")
        return self


class PowerProfile(_Strict):
    """A whole document, as a file or a custom resource holds it."""

    apiVersion: Literal["negawatt.dev/v1alpha1"]  # noqa: N815 - Kubernetes' name
    kind: Literal["PowerProfile"]
    metadata: _Metadata
    spec: PowerProfileSpec

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels is one of the profile's."""
        return all(labels.get(key) == value for key, value in self.spec.nodeSelector.items())

    @property
    def idle_and_peak_only(self) -> bool:
        """Whether the shape between idle and peak is left open."""
        return self.spec.idle_watts is not None

    def node_profile(self, curve: PowerCurve | None = None) -> NodePowerProfile:
        """Return the profile; `curve` fills in where only idle and peak are given."""
        spec = self.spec
        return NodePowerProfile(
            name=self.metadata.name,
            curve=self._curve(curve),
            sleep_watts=spec.sleep_watts,
            wake_seconds=spec.wake_seconds,
            wake_joules=DERIVED if spec.wake_joules is None else spec.wake_joules,
            shutdown_seconds=spec.shutdown_seconds,
            shutdown_joules=DERIVED if spec.shutdown_joules is None else spec.shutdown_joules,
            scope=Scope(spec.scope),
            source=ProfileSource.POWER_PROFILE,
            trust=spec.trust,
        )

    def _curve(self, fallback: PowerCurve | None) -> PowerCurve:
        spec = self.spec
        if spec.load_level_watts is not None:
            return PowerCurve.from_load_levels(spec.load_level_watts)
        if spec.curve is not None:
            ratios = tuple(point.utilisation_ratio for point in spec.curve)
            watts = tuple(point.watts for point in spec.curve)
            return PowerCurve(utilisation_ratios=ratios, watts=watts)
        if spec.idle_watts is None or spec.peak_watts is None:
            raise InputError("no watts", where=f"power profile {self.metadata.name!r}")
        return fallback or PowerCurve.linear(spec.idle_watts, spec.peak_watts)


def curve_between(idle_watts: float, peak_watts: float, shape: tuple[float, ...]) -> PowerCurve:
    """Return the curve from idle to peak along a shape given at the eleven load levels."""
    watts = tuple(idle_watts + (peak_watts - idle_watts) * rise for rise in shape)
    return PowerCurve(utilisation_ratios=LOAD_LEVELS, watts=watts)


def read_power_profiles(path: Path) -> tuple[PowerProfile, ...]:
    """Read all profiles of a file; anything that is none is named in one line."""
    text = _text(path)
    try:
        documents = [each for each in yaml.safe_load_all(text) if each is not None]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        line = " ".join(str(error).split())[:160]
        raise InputError(f"no YAML or JSON: {line}", where=str(path)) from None
    if not documents:
        raise InputError("no document in the file", where=str(path), mend="give a PowerProfile")
    profiles = tuple(parsed_power_profile(each, where=str(path)) for each in _flattened(documents))
    names = [profile.metadata.name for profile in profiles]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two profiles are named {name!r}", where=str(path), mend="rename one")
    return profiles


def parsed_power_profile(document: object, *, where: str) -> PowerProfile:
    """Read one document, whatever it is; raise InputError, one line, if it is no profile."""
    try:
        profile = PowerProfile.model_validate(document)
        profile.node_profile()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise InputError(
            f"{place}: {first['msg']}",
            where=where,
            mend="see docs/reference/power-profiles.md for the fields",
        ) from None
    except InputError as error:
        raise InputError(error.what, where=where, mend=error.mend) from None
    return profile


def _flattened(documents: list[Any]) -> Iterator[Any]:
    for document in documents:
        if isinstance(document, list):
            yield from document
        elif isinstance(document, dict) and document.get("kind") == "List":
            items = document.get("items")
            yield from items if isinstance(items, list) else [document]
        else:
            yield document


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InputError("larger than 4 MiB", where=str(path), mend="give power profiles")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text", where=str(path), mend="give YAML or JSON") from None
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise InputError(reason, where=str(path), mend="give a readable file") from None
