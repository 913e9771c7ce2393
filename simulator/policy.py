"""What a policy is: how to build it, what it may be told, and how one with moves is named."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import override

from cluster.model import Node
from energy.errors import InputError
from pricing.power_table import PowerTable
from pricing.rules import FleetPower
from simulator.chooser import Chooser, Mover
from simulator.fleet import Fleet
from simulator.movers import BudgetedMover

MOVES = "+moves"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a policy may be told about how its placement will be used."""

    usage_ratio: float
    nodes_may_sleep: bool

    @property
    def sleep(self) -> str:
        """The sleep mode by its name on the command line and in reports."""
        return "empty" if self.nodes_may_sleep else "never"


def operators_labels(fleet: Fleet, setting: Setting) -> Fleet:  # noqa: ARG001 - a labeller
    """The fleet as a careful operator labels it, whatever the setting."""
    return fleet.with_tiers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy by name: how to build it, and what its choices depend on.

    A policy that ignores usage and sleep places alike in every setting, so one run serves all.
    ``mover`` builds what moves pods, if anything does; ``movable`` says whether the policy knows
    where a moved pod should go. ``labelled`` gives the fleet with the labels of tiers that the
    policy's nodes carry.
    """

    name: str
    build: Callable[[Fleet, Setting, int], Chooser]
    mover: Callable[[Fleet, Setting, Chooser], Mover] | None = None
    movable: bool = True
    heeds_usage: bool = False
    heeds_sleep: bool = False
    labelled: Callable[[Fleet, Setting], Fleet] = operators_labels

    def nodes(self, fleet: Fleet, setting: Setting) -> tuple[Node, ...]:
        """The fleet's nodes as the policy finds them."""
        return self.labelled(fleet, setting).nodes

    def setting_key(self, setting: Setting) -> tuple[float | None, bool | None]:
        """Equal for settings in which the policy places alike."""
        return (
            setting.usage_ratio if self.heeds_usage else None,
            setting.nodes_may_sleep if self.heeds_sleep else None,
        )

    def build_mover(self, fleet: Fleet, setting: Setting, chooser: Chooser) -> Mover | None:
        """What moves pods under the policy, if anything does."""
        return None if self.mover is None else self.mover(fleet, setting, chooser)

    def with_moves(self, name: str, evictions_per_pod_day: float) -> Policy:
        """The same placement, with a budget of evictions. What they save depends on the setting."""

        def mover(fleet: Fleet, setting: Setting, chooser: Chooser) -> Mover:
            if chooser.rule is None:
                raise InputError(
                    f"policy {self.name} has no rule for a moved pod",
                    where=f"policy {name}",
                    mend="use moves with a rule such as envelope",
                )
            return BudgetedMover(fleet_power(fleet, setting), chooser, evictions_per_pod_day)

        return replace(self, name=name, mover=mover, heeds_usage=True, heeds_sleep=True)


class PolicyTable(Mapping[str, Policy]):
    """Policies by name; ``NAME+movesN`` is policy NAME with N evictions per running pod and day.

    Iteration gives the policies without moves, and without the variants that answer a question of
    detail.
    """

    def __init__(self, policies: Sequence[Policy], variants: Sequence[Policy] = ()) -> None:
        self._policies = {policy.name: policy for policy in (*policies, *variants)}
        self._listed = tuple(policy.name for policy in policies)

    @override
    def __getitem__(self, name: str) -> Policy:
        base, separator, rate = name.partition(MOVES)
        if not separator:
            return self._policies[base]
        try:
            evictions_per_pod_day = float(rate)
        except ValueError:
            raise KeyError(name) from None
        if not (math.isfinite(evictions_per_pod_day) and evictions_per_pod_day >= 0.0):
            raise KeyError(name)
        policy = self._policies[base]
        if not policy.movable:
            raise KeyError(name)
        return policy.with_moves(name, evictions_per_pod_day)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    @override
    def __len__(self) -> int:
        return len(self._listed)

    @property
    def others(self) -> tuple[str, ...]:
        """Variants that are policies of their own, not a listed one with something changed."""
        variants = [name for name in self._policies if name not in self._listed]
        return tuple(name for name in variants if name.partition(":")[0] not in self._listed)


def fleet_power(fleet: Fleet, setting: Setting) -> FleetPower:
    """What the rules of `pricing` know of a fleet."""
    millicores = np.array([node.allocatable.cpu_millicores for node in fleet.nodes])
    return FleetPower(
        classes=fleet.classes,
        power=PowerTable.of(fleet.profiles, millicores),
        usage_ratio=setting.usage_ratio,
        nodes_may_sleep=setting.nodes_may_sleep,
    )
