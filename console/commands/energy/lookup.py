"""Finds one power profile by the words of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.power_curve import LOAD_LEVELS
from energy.power_profile import read_power_profiles
from energy.profile import NodePowerProfile


def profile_named(name: str) -> NodePowerProfile:
    """Return a server of the catalogue by its short name, or the one profile of a file."""
    catalogue = Catalogue.shipped()
    if name in catalogue.servers:
        return catalogue.servers[name].profile()
    if not Path(name).exists():
        raise InputError(
            f"{name!r} is no server of the catalogue and no file",
            where="--profile",
            mend="see `negawatt energy catalogue --servers` for the names",
        )
    profiles = read_power_profiles(Path(name))
    if len(profiles) != 1:
        raise InputError(
            f"{len(profiles)} profiles in the file", where=name, mend="give a file with one"
        )
    return catalogue.written(profiles[0])


def profile_document(profile: NodePowerProfile) -> dict[str, Any]:
    """Return a profile as JSON."""
    return {
        "name": profile.name,
        "source": profile.source.value,
        "scope": profile.scope.value,
        "trust": profile.trust,
        "idle_watts": profile.idle_watts,
        "peak_watts": profile.peak_watts,
        "load_level_watts": [profile.curve.watts_at(level) for level in LOAD_LEVELS],
        "sleep_watts": profile.sleep_watts,
        "wake_seconds": profile.wake_seconds,
        "wake_joules": profile.wake_joules,
        "shutdown_seconds": profile.shutdown_seconds,
        "shutdown_joules": profile.shutdown_joules,
        "notes": list(profile.notes),
    }
