"""The policies that `simulate place` compares, by name. Each wraps production code.

`default`, `most-allocated` and `efficiency-order` are kube-scheduler's own scores; `random` and
`round-robin` are the floor; the others are rules of `pricing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from cluster.model import Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.profile import SchedulerProfile
from cluster.scheduling.scheduler import schedule_one
from cluster.scheduling.table import NodeTable
from cluster.scheduling.tie import TieRule, TieState
from energy.errors import InputError
from pricing.envelope import Envelope
from pricing.power_table import PowerTable
from pricing.rules import FillCost, FleetPower, Marginal, MarginalIdle, Rule, packed_choice
from simulator.chooser import NOWHERE, Chooser
from simulator.fleet import Fleet

BOUND = "bound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a policy may be told about how its placement will be used."""

    usage_ratio: float
    nodes_may_sleep: bool

    @property
    def sleep(self) -> str:
        """The sleep mode by its name on the command line and in reports."""
        return "empty" if self.nodes_may_sleep else "never"


class RuleChooser(Chooser):
    """A rule of `pricing` in the loop: cheapest feasible node, packed among equals."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        return packed_choice(table, pod, feasible(table, pod), self._rule.costs(table, pod))


class RandomChooser(Chooser):
    """Any feasible node, each as likely."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        candidates = np.flatnonzero(feasible(table, pod))
        return int(self._rng.choice(candidates)) if len(candidates) else NOWHERE


class RoundRobinChooser(Chooser):
    """The next feasible node in the order of the fleet."""

    def __init__(self) -> None:
        self._next = 0

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        candidates = np.flatnonzero(feasible(table, pod))
        if not len(candidates):
            return NOWHERE
        later = candidates[candidates >= self._next]
        chosen = int(later[0] if len(later) else candidates[0])
        self._next = chosen + 1
        return chosen


class SchedulerChooser(Chooser):
    """kube-scheduler's own rules in the loop, its ties as without an extender."""

    def __init__(self, profile: SchedulerProfile) -> None:
        self._profile = profile
        self._ties = TieState(rule=TieRule.IN_TREE)

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        placement = schedule_one(table, pod, self._profile, self._ties)
        return NOWHERE if placement is None else placement.index


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy by name: how to build it, and what its choices depend on.

    A policy that ignores usage and sleep places alike in every setting, so one run serves all.
    """

    name: str
    build: Callable[[Fleet, Setting, int], Chooser]
    heeds_usage: bool = False
    heeds_sleep: bool = False

    def setting_key(self, setting: Setting) -> tuple[float | None, bool | None]:
        """Equal for settings in which the policy places alike."""
        return (
            setting.usage_ratio if self.heeds_usage else None,
            setting.nodes_may_sleep if self.heeds_sleep else None,
        )


def _rule(kind: Callable[[FleetPower], Rule]) -> Callable[[Fleet, Setting, int], Chooser]:
    def build(fleet: Fleet, setting: Setting, _seed: int) -> Chooser:
        millicores = np.array([node.allocatable.cpu_millicores for node in fleet.nodes])
        power = FleetPower(
            classes=fleet.classes,
            power=PowerTable.of(fleet.profiles, millicores),
            usage_ratio=setting.usage_ratio,
            nodes_may_sleep=setting.nodes_may_sleep,
        )
        return RuleChooser(kind(power))

    return build


def _scheduler(profile: Callable[[], SchedulerProfile]) -> Callable[[Fleet, Setting, int], Chooser]:
    return lambda _fleet, _setting, _seed: SchedulerChooser(profile())


POLICIES: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy(name="default", build=_scheduler(SchedulerProfile.default)),
        Policy(name="most-allocated", build=_scheduler(SchedulerProfile.most_allocated)),
        Policy(name="efficiency-order", build=_scheduler(SchedulerProfile.energy_tiers)),
        Policy(
            name="random",
            build=lambda _fleet, _setting, seed: RandomChooser(np.random.default_rng([seed, 1])),
        ),
        Policy(name="round-robin", build=lambda _fleet, _setting, _seed: RoundRobinChooser()),
        Policy(name="fill-cost", build=_rule(FillCost), heeds_usage=True, heeds_sleep=True),
        Policy(name="envelope", build=_rule(Envelope), heeds_usage=True, heeds_sleep=True),
        Policy(name="marginal", build=_rule(Marginal), heeds_usage=True),
        Policy(name="marginal-idle", build=_rule(MarginalIdle), heeds_usage=True, heeds_sleep=True),
    )
}


def policy_names(text: str) -> tuple[str, ...]:
    """Policies of a comma-separated list, or `all`; `bound` may stand among them.

    Raises:
        InputError: the list is empty or names an unknown policy.
    """
    if text.strip() == "all":
        return (*POLICIES, BOUND)
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in POLICIES and name != BOUND]
    if unknown or not names:
        raise InputError(
            f"no policy is named {', '.join(unknown)}" if unknown else "no policy is named",
            where="--policy",
            mend=f"use some of {', '.join([*POLICIES, BOUND])}",
        )
    return names
