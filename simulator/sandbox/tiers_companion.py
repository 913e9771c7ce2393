"""Energy tiers in a sandbox: their controller in `act`, and a scheduler that goes by its labels."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from energy.errors import InputError
from extender.tiers.profile import TierProfileOptions, Where, profile_document
from simulator.sandbox.companions import TIERS_MODULE, Companion
from simulator.sandbox.extender_companion import READY_PATH
from simulator.sandbox.record import ACT, TIERS, Program, SandboxOptions
from simulator.sandbox.scheduler_file import CLIENT_LIMITS
from simulator.sandbox.trial_arms import DEFAULT_SCHEDULER

ENVIRONMENT = "NEGAWATT_TIERS__"
#: A sandbox is to be ready at once, whatever the number of its nodes.
CHANGES_PER_MINUTE_MAX = 100_000


def require_usable(options: SandboxOptions) -> None:
    """Refuse what contradicts tiers, before anything is made.

    Raises:
        InputError: options that contradict each other.
    """
    if not options.tiers:
        return
    contradicting = {
        "--act": options.extender == ACT,
        "--scheduler-config": options.scheduler_configuration is not None,
        "--tier-labels": options.tier_labels,
    }
    for option, is_given in contradicting.items():
        if is_given:
            raise InputError(
                "tiers come with labels and a scheduler configuration of their own",
                where=option,
                mend="leave out this or --tiers",
            )


def scheduler_configuration(options: SandboxOptions) -> str:
    """What `negawatt extender tiers profile` prints, for the sandbox's own scheduler, YAML.

    There is one scheduler here, with a client of its own: neither lease nor kubeconfig is named.
    """
    told = TierProfileOptions(
        where=Where.CONTROL_PLANE,
        scheduler_name=DEFAULT_SCHEDULER,
        usage_ratio=options.usage_ratio or 1.0,
    )
    document = yaml.safe_load(profile_document(told))
    document.pop("leaderElection", None)
    document["clientConnection"] = dict(CLIENT_LIMITS)
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text


def tiers(
    program: Program, folder: Path, ports: Mapping[str, int], options: SandboxOptions
) -> Companion:
    """The controller of a sandbox with these ports and options."""
    told = {
        "mode": ACT,
        "kubeconfig": str(folder / "kubeconfig.yaml"),
        "port": str(ports["tiersPort"]),
        "nodes_may_sleep": str(options.nodes_may_sleep).lower(),
        "changes_per_minute_max": str(CHANGES_PER_MINUTE_MAX),
        "leader_elect": "false",
    }
    if options.usage_ratio > 0:
        told["usage_ratio"] = str(options.usage_ratio)
    return Companion(
        name=TIERS,
        program=program,
        # Its settings are variables, and it is known by its folder.
        command=(sys.executable, "-X", f"sandbox={folder}", "-m", TIERS_MODULE),
        port=ports["tiersPort"],
        environ={f"{ENVIRONMENT}{name.upper()}": value for name, value in told.items()},
        ready_path=READY_PATH,
    )
