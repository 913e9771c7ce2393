"""The schedulers of a trial, as KubeSchedulerConfigurations in plain JSON."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from cluster.scheduling.profile import ENERGY_TIER_LABEL, ENERGY_TIERS
from energy.errors import InputError
from extender.tiers.profile import TierProfileOptions, profile_document

Configuration = dict[str, Any]

DEFAULT_SCHEDULER = "default-scheduler"
# The defaults are 50 and 100 requests a second: a trial would measure those.
CLIENT_QPS, CLIENT_BURST = 5000, 10000


def plain_configuration(profile: Mapping[str, object] | None = None) -> Configuration:
    """One profile for pods that name no scheduler; without one, kube-scheduler as it comes."""
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "profiles": [{"schedulerName": DEFAULT_SCHEDULER, **(profile or {})}],
    }


def most_allocated() -> Configuration:
    """MostAllocated in place of LeastAllocated."""
    return plain_configuration({"pluginConfig": [_fit_most_allocated()]})


def energy_tiers(usage_ratio: float | None = None) -> Configuration:
    """What `negawatt extender tiers profile` writes, told of use or as it comes."""
    options = TierProfileOptions()
    if usage_ratio is not None:
        options = replace(options, usage_ratio=usage_ratio)
    told: Configuration = yaml.safe_load(profile_document(options))
    return told


def without_tiers(tiered: Configuration) -> Configuration:
    """The same without its terms: NodeAffinity has nothing to say of most pods, and is skipped."""
    told = copy.deepcopy(tiered)
    for profile in told["profiles"]:
        profile["pluginConfig"] = [
            each for each in profile["pluginConfig"] if each["name"] != "NodeAffinity"
        ]
    return told


def hand_made_tiers() -> Configuration:
    """A careful operator's preference by a label of tiers, packed within one. No code at all."""
    preferred = [
        {
            "weight": 100 - 10 * tier,
            "preference": {
                "matchExpressions": [
                    {"key": ENERGY_TIER_LABEL, "operator": "In", "values": [str(tier)]}
                ]
            },
        }
        for tier in range(ENERGY_TIERS)
    ]
    added = {"preferredDuringSchedulingIgnoredDuringExecution": preferred}
    affinity = {"name": "NodeAffinity", "args": {"addedAffinity": added}}
    heavier = {
        "disabled": [{"name": "NodeAffinity"}],
        "enabled": [{"name": "NodeAffinity", "weight": 5}],
    }
    return plain_configuration(
        {"plugins": {"score": heavier}, "pluginConfig": [affinity, _fit_most_allocated()]}
    )


def _fit_most_allocated() -> dict[str, object]:
    resources = [{"name": "cpu", "weight": 1}, {"name": "memory", "weight": 1}]
    strategy = {"type": "MostAllocated", "resources": resources}
    return {"name": "NodeResourcesFit", "args": {"scoringStrategy": strategy}}


def with_extender(shipped: Configuration, url: str) -> Configuration:
    """The shipped configuration, its extender at `url` (`http://HOST:PORT`).

    Raises:
        InputError: it has no extender, or more than one.
    """
    told = copy.deepcopy(shipped)
    extenders = told.get("extenders") or []
    if len(extenders) != 1:
        raise InputError(f"{len(extenders)} extenders in the configuration, where one is expected")
    extenders[0]["urlPrefix"] = f"{url.rstrip('/')}/scheduler"
    return told


def without_extender(shipped: Configuration) -> Configuration:
    """The shipped configuration without its extender."""
    told = copy.deepcopy(shipped)
    told.pop("extenders", None)
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerConfiguration:
    """What one kube-scheduler is started with.

    Attributes:
        document: a KubeSchedulerConfiguration; connection and leader election are filled in.
        scheduler_name: the profile that the trial's pods name.
    """

    document: Configuration
    scheduler_name: str

    @classmethod
    def of(cls, document: Configuration) -> SchedulerConfiguration:
        """A configuration whose first profile takes the pods."""
        name = document["profiles"][0].get("schedulerName", DEFAULT_SCHEDULER)
        return cls(document=document, scheduler_name=name)

    def completed(self, kubeconfig: Path) -> Configuration:
        """The document as a scheduler on this control plane needs it."""
        told = copy.deepcopy(self.document)
        told["leaderElection"] = {"leaderElect": False}
        told["clientConnection"] = {
            "kubeconfig": str(kubeconfig),
            "qps": CLIENT_QPS,
            "burst": CLIENT_BURST,
        }
        return told
