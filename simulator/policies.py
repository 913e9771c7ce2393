"""The policies that `simulate place` compares, by name. Each wraps production code.

`default`, `most-allocated` and `efficiency-order` are kube-scheduler's own scores; `random` and
`round-robin` are the floor; the others are rules of `pricing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cluster.scheduling.profile import SchedulerProfile
from energy.errors import InputError
from pricing.envelope import Envelope
from pricing.power_table import PowerTable
from pricing.queue_pricing import QueueOptions
from pricing.rules import FillCost, FleetPower, Marginal, MarginalIdle, Rule
from simulator.chooser import Chooser
from simulator.choosers import (
    QueueChooser,
    RandomChooser,
    RoundRobinChooser,
    RuleChooser,
    SchedulerChooser,
)
from simulator.fleet import Fleet

BOUND = "bound"
# Shorter queues are placed like single pods (docs/decisions/0007-which-rule-ships.md).
QUEUE_PODS_MIN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a policy may be told about how its placement will be used."""

    usage_ratio: float
    nodes_may_sleep: bool

    @property
    def sleep(self) -> str:
        """The sleep mode by its name on the command line and in reports."""
        return "empty" if self.nodes_may_sleep else "never"


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


def fleet_power(fleet: Fleet, setting: Setting) -> FleetPower:
    """What the rules of `pricing` know of a fleet."""
    millicores = np.array([node.allocatable.cpu_millicores for node in fleet.nodes])
    return FleetPower(
        classes=fleet.classes,
        power=PowerTable.of(fleet.profiles, millicores),
        usage_ratio=setting.usage_ratio,
        nodes_may_sleep=setting.nodes_may_sleep,
    )


def _rule(kind: Callable[[FleetPower], Rule]) -> Callable[[Fleet, Setting, int], Chooser]:
    return lambda fleet, setting, _seed: RuleChooser(kind(fleet_power(fleet, setting)))


def queue_policy(
    queue_pods_min: int, options: QueueOptions
) -> Callable[[Fleet, Setting, int], Chooser]:
    """Queues of enough pods by their own prices, every other pod by `envelope`."""

    def build(fleet: Fleet, setting: Setting, _seed: int) -> Chooser:
        power = fleet_power(fleet, setting)
        return QueueChooser(power, Envelope(power), queue_pods_min=queue_pods_min, options=options)

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
        Policy(
            name="bid-price",
            build=queue_policy(1, QueueOptions(solve_every_pods=1, booked=False)),
            heeds_usage=True,
            heeds_sleep=True,
        ),
        Policy(
            name="booking-limit",
            build=queue_policy(1, QueueOptions()),
            heeds_usage=True,
            heeds_sleep=True,
        ),
        Policy(
            name="situational",
            build=queue_policy(QUEUE_PODS_MIN, QueueOptions()),
            heeds_usage=True,
            heeds_sleep=True,
        ),
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
