"""Energy tiers in a sandbox: their controller in `act`, and a scheduler that goes by its labels."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from energy.errors import InputError, UnavailableError
from extender.tiers.profile import TierProfileOptions, Where, profile_document
from extender.tiers.survey import LabelState
from simulator.sandbox.companions import TIERS_MODULE, Companion, answer_of
from simulator.sandbox.extender_companion import READY_PATH
from simulator.sandbox.record import ACT, TIERS, Program, SandboxOptions
from simulator.sandbox.scheduler_file import CLIENT_LIMITS
from simulator.sandbox.trial_arms import DEFAULT_SCHEDULER

ENVIRONMENT = "NEGAWATT_TIERS__"
TIERS_PATH = "/tiers"
#: Labels follow one another as the client is paced: 20 requests a second.
LABELLED_SECONDS_MAX, LABELLED_SECONDS_PER_NODE_MAX = 60.0, 0.5
POLL_SECONDS, REPORT_SECONDS = 0.25, 5.0
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


def unlabelled_count(answer: Mapping[str, Any], node_count: int) -> int:
    """Of so many nodes, how many are to get a label yet, by what GET /tiers answers.

    A label that others hold, or that is refused, will not come: that is for /tiers to say.
    """
    nodes = answer["nodes"] or ()
    coming: int = sum(
        each["state"] == LabelState.DUE
        or (each["state"] == LabelState.WAITING and each["present"] is None)
        for each in nodes
    )
    return coming + max(0, node_count - len(nodes))


def wait_until_labelled(port: int, node_count: int, report: Callable[[str], None]) -> None:
    """Return when every node has the label that it is to have.

    Raises:
        UnavailableError: the controller does not get there in time.
    """
    begin = said_at = time.monotonic()
    limit_seconds = LABELLED_SECONDS_MAX + LABELLED_SECONDS_PER_NODE_MAX * node_count
    while True:
        answer = answer_of(port, TIERS_PATH)
        left = node_count if answer is None else unlabelled_count(json.loads(answer), node_count)
        now = time.monotonic()
        if not left:
            return
        if now - begin > limit_seconds:
            raise UnavailableError(
                f"{left} of {node_count} nodes have no tier after {limit_seconds:.0f} s",
                where=f"http://127.0.0.1:{port}{TIERS_PATH}",
            )
        if now - said_at >= REPORT_SECONDS:
            said_at = now
            report(f"waiting for the tiers of {left} nodes")
        time.sleep(POLL_SECONDS)
