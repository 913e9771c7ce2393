"""The policies that `simulate place` compares, by name. Each wraps production code.

`default`, `most-allocated` and `efficiency-order` are kube-scheduler's own scores; `random` and
`round-robin` are the floor; the others are rules of `pricing`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from cluster.model import Pod
from cluster.scheduling.profile import SchedulerProfile
from cluster.scheduling.tier_profile import tier_profile
from energy.errors import InputError
from extender.tiers.profile import efficient_fill_percent
from pricing.demand import ExpectedDemand
from pricing.envelope import Envelope
from pricing.grouping import group_nodes
from pricing.mix_pricing import MixPricing
from pricing.node_class import CPU_MILLICORES_PER_CORE
from pricing.queue_pricing import QUEUE_PODS_MIN, QueueOptions
from pricing.rules import EfficiencyOrder, FillCost, FleetPower, Marginal, MarginalIdle, Rule
from pricing.terms import Shapes
from simulator.chooser import Chooser
from simulator.choosers import (
    NEVER,
    DemandOf,
    MixChooser,
    PricedChooser,
    RandomChooser,
    RoundRobinChooser,
    RuleChooser,
    SchedulerChooser,
)
from simulator.churn import ShapeTable
from simulator.extender_chooser import ExtenderChooser
from simulator.fleet import Fleet
from simulator.lifetime_chooser import Knowledge, LifetimeChooser
from simulator.pod_file import BYTES_PER_MEBIBYTE
from simulator.policy import MOVES, Policy, PolicyTable, Setting, fleet_power
from simulator.prediction_chooser import ForestChooser, RegressorChooser
from simulator.repacking import REPACK, Repacking
from simulator.tier_labels import labelled, labelled_with_memory

BOUND = "bound"
# The careful operator's placement, which the others are compared with.
LABEL = "efficiency-order"
PREDICT_REGRESSOR, PREDICT_FOREST = "predict-regressor", "predict-forest"
# Two pods are a queue already.
SHORTEST_QUEUE_PODS = 2


def rule_policy(
    name: str, kind: Callable[[FleetPower], Rule], *, heeds_sleep: bool = True
) -> Policy:
    """A rule of `pricing` as it is."""

    def build(fleet: Fleet, setting: Setting, _seed: int) -> Chooser:
        return RuleChooser(kind(fleet_power(fleet, setting)))

    return Policy(name=name, build=build, heeds_usage=True, heeds_sleep=heeds_sleep)


def priced_policy(
    name: str,
    *,
    queue_pods_min: int = NEVER,
    options: QueueOptions | None = None,
    mix_priced: bool = True,
    demand_of: DemandOf | None = None,
    classes_max: int | None = None,
) -> Policy:
    """Queues of enough pods by their own prices, every other pod by the envelope rule."""

    def build(fleet: Fleet, setting: Setting, _seed: int) -> Chooser:
        power = fleet_power(fleet, setting)
        if classes_max is not None:
            power = replace(power, classes=group_nodes(power.classes, classes_max).lower)
        return PricedChooser(
            power,
            queue_pods_min=queue_pods_min,
            options=options or QueueOptions(),
            mix=MixPricing(power) if mix_priced else None,
            demand_of=demand_of,
        )

    return Policy(name=name, build=build, heeds_usage=True, heeds_sleep=True)


def lifetime_policy(name: str, knowledge: Knowledge) -> Policy:
    """`priced-envelope` with ties broken by lifetimes."""

    def build(fleet: Fleet, setting: Setting, seed: int) -> Chooser:
        return LifetimeChooser(fleet_power(fleet, setting), len(fleet.nodes), knowledge, seed)

    return Policy(name=name, build=build, heeds_usage=True, heeds_sleep=True)


def past_demand(pods: Sequence[Pod]) -> ExpectedDemand:
    """As many pods and cores as the queue has, in openb's mix instead of its own."""
    table = ShapeTable.shipped()
    queued_millicores = sum(pod.requests.cpu_millicores for pod in pods)
    scale = float(queued_millicores / (len(pods) * (table.weights @ table.cpu_millicores)))
    shapes = Shapes(
        cpu_cores=table.cpu_millicores * scale / CPU_MILLICORES_PER_CORE,
        memory_bytes=table.memory_mebibytes.astype(np.float64) * scale * BYTES_PER_MEBIBYTE,
    )
    return ExpectedDemand(shapes=shapes, counts=len(pods) * table.weights)


def mix_policy(name: str, options: QueueOptions) -> Policy:
    """Every pod by bid prices of the state and the recent mix."""

    def build(fleet: Fleet, setting: Setting, _seed: int) -> Chooser:
        return MixChooser(fleet_power(fleet, setting), options=options)

    return Policy(name=name, build=build, movable=False, heeds_usage=True, heeds_sleep=True)


def _scheduler(
    profile: Callable[[], SchedulerProfile],
) -> Callable[[Fleet, Setting, int], Chooser]:
    return lambda _fleet, _setting, _seed: SchedulerChooser(profile())


def _random(_fleet: Fleet, _setting: Setting, seed: int) -> Chooser:
    return RandomChooser(np.random.default_rng([seed, 1]))


def _round_robin(_fleet: Fleet, _setting: Setting, _seed: int) -> Chooser:
    return RoundRobinChooser()


def _label(fleet: Fleet, setting: Setting, _seed: int) -> Chooser:
    rule = EfficiencyOrder(fleet_power(fleet, setting))
    return SchedulerChooser(SchedulerProfile.energy_tiers(), rule)


def _tiers(fleet: Fleet, setting: Setting, _seed: int) -> Chooser:
    fill_percent = efficient_fill_percent(setting.usage_ratio)
    rule = FillCost(fleet_power(fleet, setting))
    return SchedulerChooser(tier_profile(fill_percent=fill_percent), rule)


def _extender(fleet: Fleet, setting: Setting, seed: int) -> Chooser:
    return ExtenderChooser(fleet_power(fleet, setting), seed)


def _by_regressor(fleet: Fleet, setting: Setting, _seed: int) -> Chooser:
    return RegressorChooser(fleet, setting)


def _by_forest(fleet: Fleet, setting: Setting, _seed: int) -> Chooser:
    return ForestChooser(fleet, setting)


def _variant(
    variant: str,
    options: QueueOptions,
    *,
    mix_priced: bool = True,
    demand_of: DemandOf | None = None,
    classes_max: int | None = None,
) -> Policy:
    """What ships, with one thing changed."""
    return priced_policy(
        f"negawatt:{variant}",
        queue_pods_min=QUEUE_PODS_MIN,
        options=options,
        mix_priced=mix_priced,
        demand_of=demand_of,
        classes_max=classes_max,
    )


POLICIES = PolicyTable(
    (
        Policy(name="default", build=_scheduler(SchedulerProfile.default), movable=False),
        Policy(
            name="most-allocated", build=_scheduler(SchedulerProfile.most_allocated), movable=False
        ),
        Policy(name=LABEL, build=_label),
        Policy(name="random", build=_random, movable=False),
        Policy(name="round-robin", build=_round_robin, movable=False),
        rule_policy("fill-cost", FillCost),
        rule_policy("envelope", Envelope),
        priced_policy("priced-envelope"),
        priced_policy(
            "bid-price",
            queue_pods_min=SHORTEST_QUEUE_PODS,
            options=QueueOptions(booked=False),
            mix_priced=False,
        ),
        mix_policy("bid-price-mix", QueueOptions(booked=False)),
        priced_policy("booking-limit", queue_pods_min=SHORTEST_QUEUE_PODS, mix_priced=False),
        priced_policy("negawatt", queue_pods_min=QUEUE_PODS_MIN),
        rule_policy("marginal", Marginal, heeds_sleep=False),
        rule_policy("marginal-idle", MarginalIdle),
        lifetime_policy("lifetimes", Knowledge.PREDICTED),
        Policy(name=REPACK, build=_label, mover=lambda *_: Repacking(), movable=False),
    ),
    variants=(
        # Our labels under the profile that we write for them: kube-scheduler, and no extender.
        Policy(name="tiers", build=_tiers, labelled=labelled, heeds_usage=True, heeds_sleep=True),
        # The same, told how much memory pods request.
        Policy(
            name="tiers:memory",
            build=_tiers,
            labelled=labelled_with_memory,
            heeds_usage=True,
            heeds_sleep=True,
        ),
        # `negawatt` as kube-scheduler carries it out: eleven ranks, MostAllocated's whole points.
        Policy(name="extender", build=_extender, movable=False, heeds_usage=True, heeds_sleep=True),
        _variant("once", QueueOptions(solve_every_pods=NEVER)),
        _variant("every-pod", QueueOptions(solve_every_pods=1)),
        _variant("prices", QueueOptions(booked=False)),
        _variant("prices-once", QueueOptions(booked=False, solve_every_pods=NEVER)),
        _variant("demand-none", QueueOptions(demand_ratio=0.0)),
        _variant("demand-0.7", QueueOptions(demand_ratio=0.7)),
        _variant("demand-1.3", QueueOptions(demand_ratio=1.3)),
        _variant("demand-past", QueueOptions(booked=False), demand_of=past_demand),
        _variant("two-classes", QueueOptions(), classes_max=2),
        _variant("no-memory", QueueOptions(memory_priced=False), mix_priced=False),
        # The paper's service, by each of its models.
        Policy(name=PREDICT_REGRESSOR, build=_by_regressor, movable=False, heeds_usage=True),
        Policy(name=PREDICT_FOREST, build=_by_forest, movable=False, heeds_usage=True),
        lifetime_policy("lifetimes:known", Knowledge.KNOWN),
        lifetime_policy("lifetimes:shuffled", Knowledge.SHUFFLED),
    ),
)


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
            mend=f"use some of {', '.join([*POLICIES, *POLICIES.others, BOUND])}, "
            f"or one with moves as envelope{MOVES}0.5",
        )
    return names
