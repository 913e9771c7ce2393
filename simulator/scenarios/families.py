"""The scenario families by name: one seeded builder for each, and what names a scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.units import SECONDS_PER_HOUR
from simulator.chooser import NodeEvent
from simulator.churn import ShapeTable
from simulator.fleet import Fleet, named_fleet
from simulator.pod_file import PodFile
from simulator.scenarios.bursts import batch
from simulator.scenarios.churning import (
    exponential_churn,
    openb_churn,
    recorded_churn,
    traffic_replicas,
)
from simulator.scenarios.constraints import constrained, labelled
from simulator.scenarios.disruptions import (
    DRAIN_RATIO,
    across_classes,
    best_class,
    best_rack,
    rack_failure,
    rolling_upgrade,
    spread_rack,
)
from simulator.scenarios.scenario import WARM_UP_SECONDS, Scenario
from simulator.standard import CPU_LOAD_RATIO, standard_burst
from simulator.stream import PodStream, merged

DAY_SECONDS = 24 * SECONDS_PER_HOUR
# Long enough for a rack to return, or the last node of a rolling upgrade, and for an hour more.
DISRUPTION_SECONDS = 8 * SECONDS_PER_HOUR
CALM_SECONDS = SECONDS_PER_HOUR
BURST_SECONDS = 6 * SECONDS_PER_HOUR
# The final placement of the standard burst, watched for an hour.
STANDARD_SECONDS = SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioKey:
    """What names a scenario; with a seed it is one."""

    family: str
    fleet: str
    load_ratio: float
    constrained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A scenario before its constraints: when it is counted, and what happens."""

    stream: PodStream
    end_seconds: float
    start_seconds: float = WARM_UP_SECONDS
    events: Sequence[NodeEvent] = ()


_Builder = Callable[[Fleet, float, int, PodFile | None], _Draft]


def build_scenario(key: ScenarioKey, seed: int, recorded: PodFile | None = None) -> Scenario:
    """The scenario of a key and a seed; the same ones give the same scenario.

    Args:
        key: family, fleet, load, and whether a third of the pods is constrained.
        seed: of everything that is drawn.
        recorded: the pods of a file, for the families that need one.

    Raises:
        InputError: there is no such family or fleet, or the family needs a file.
    """
    if key.family not in FAMILIES:
        raise InputError(f"no family is named {key.family}", mend=f"use {', '.join(FAMILIES)}")
    fleet = named_fleet(key.fleet, Catalogue.shipped())
    draft = FAMILIES[key.family](fleet, key.load_ratio, seed, recorded)
    stream = draft.stream
    if key.constrained:
        fleet = labelled(fleet)
        stream = constrained(stream, fleet, np.random.default_rng([seed, 4]))
    suffix = ", constrained" if key.constrained else ""
    return Scenario(
        name=f"{key.family} on {key.fleet}, load {key.load_ratio:.0%}{suffix}, seed {seed}",
        family=key.family,
        fleet=fleet,
        stream=stream,
        load_ratio=key.load_ratio,
        start_seconds=draft.start_seconds,
        end_seconds=draft.end_seconds,
        events=tuple(draft.events),
        constrained=key.constrained,
    )


def _standard(fleet: Fleet, load_ratio: float, seed: int, recorded: PodFile | None) -> _Draft:
    if load_ratio != CPU_LOAD_RATIO:
        raise InputError(f"the standard burst requests {CPU_LOAD_RATIO:.0%}, not {load_ratio:.0%}")
    stream = standard_burst(_needed(recorded).records, fleet, seed)
    return _Draft(stream=stream, start_seconds=0.0, end_seconds=STANDARD_SECONDS)


def _recorded(fleet: Fleet, load_ratio: float, seed: int, recorded: PodFile | None) -> _Draft:
    rng = np.random.default_rng([seed, 0])
    stream, end_seconds = recorded_churn(_needed(recorded), fleet, load_ratio, rng)
    warm_up = min(WARM_UP_SECONDS, end_seconds / 3)
    return _Draft(stream=stream, start_seconds=warm_up, end_seconds=end_seconds)


def _needed(recorded: PodFile | None) -> PodFile:
    if recorded is None:
        raise InputError("this family needs recorded pods", where="--pods", mend="give openb's CSV")
    return recorded


def _churn(
    draw: Callable[[Fleet, float, float, np.random.Generator], PodStream],
) -> _Builder:
    """A day of churn after the warm-up."""

    def build(fleet: Fleet, load_ratio: float, seed: int, _recorded: PodFile | None) -> _Draft:
        end_seconds = WARM_UP_SECONDS + DAY_SECONDS
        rng = np.random.default_rng([seed, 0])
        stream = draw(fleet, load_ratio, end_seconds, rng)
        return _Draft(stream=stream, end_seconds=end_seconds)

    return build


def _burst(pods: int) -> _Builder:
    """So many pods at once into a fleet that churns at the stated load, and six hours more."""

    def build(fleet: Fleet, load_ratio: float, seed: int, _recorded: PodFile | None) -> _Draft:
        end_seconds = WARM_UP_SECONDS + BURST_SECONDS
        standing = exponential_churn(
            fleet, load_ratio, end_seconds, np.random.default_rng([seed, 0])
        )
        arriving = batch(
            ShapeTable.shipped(), fleet, pods, WARM_UP_SECONDS, np.random.default_rng([seed, 5])
        )
        return _Draft(stream=merged([standing, arriving]), end_seconds=end_seconds)

    return build


def _disruption(
    events: Callable[[Fleet, np.random.Generator, float], Sequence[NodeEvent]],
) -> _Builder:
    """Exponential churn in which something happens to nodes an hour after the warm-up."""

    def build(fleet: Fleet, load_ratio: float, seed: int, _recorded: PodFile | None) -> _Draft:
        end_seconds = WARM_UP_SECONDS + DISRUPTION_SECONDS
        stream = exponential_churn(fleet, load_ratio, end_seconds, np.random.default_rng([seed, 0]))
        happens = events(fleet, np.random.default_rng([seed, 6]), WARM_UP_SECONDS + CALM_SECONDS)
        return _Draft(stream=stream, end_seconds=end_seconds, events=happens)

    return build


FAMILIES: Mapping[str, _Builder] = {
    "standard": _standard,
    "burst-50": _burst(50),
    "burst-200": _burst(200),
    "burst-600": _burst(600),
    "rack": _disruption(lambda fleet, rng, when: rack_failure(spread_rack(fleet, rng), when)),
    "best-rack": _disruption(lambda fleet, _rng, when: rack_failure(best_rack(fleet), when)),
    "drain": _disruption(
        lambda fleet, rng, when: rolling_upgrade(across_classes(fleet, DRAIN_RATIO, rng), when)
    ),
    "best-drain": _disruption(lambda fleet, _rng, when: rolling_upgrade(best_class(fleet), when)),
    "churn": _churn(exponential_churn),
    "churn-openb": _churn(openb_churn),
    "churn-recorded": _recorded,
    "replicas": _churn(traffic_replicas),
}
# These need a file of pods.
RECORDED_FAMILIES = ("standard", "churn-recorded")
# Families that ask the same question of a policy.
SITUATIONS: Mapping[str, tuple[str, ...]] = {
    "bursts": ("standard", "burst-50", "burst-200", "burst-600"),
    "failures and drains": ("rack", "best-rack", "drain", "best-drain"),
    "churn": ("churn", "churn-openb", "churn-recorded", "replicas"),
}
