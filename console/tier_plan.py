"""What the controller of tiers would do now: read the cluster once, and write nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cluster.kube.client import connect
from cluster.kube.errors import KubeError
from cluster.kube.node_labels import NodeLabels
from cluster.kube.settings import KubeSettings
from console.progress import live_steps
from energy.power_profile import read_power_profiles
from extender.tiers.settings import TiersSettings
from extender.tiers.survey import Survey, survey
from extender.tiers.watch import seen_once
from extender.tiers.wishes import TellingLabel, telling_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, as of one reading of the cluster.

    Attributes:
        telling: labels that nodes have anyway and that say the same.
        doubts: power profiles that could not be read.
    """

    rule: str
    survey: Survey
    telling: tuple[TellingLabel, ...]
    doubts: tuple[str, ...]


def planned(settings: TiersSettings) -> Planned:
    """Read nodes and power profiles, and compare labels with what they should be.

    Raises:
        KubeError: the cluster cannot be read.
        InputError: the power profiles' file cannot.
    """
    path = settings.power_profiles
    written = () if path is None else read_power_profiles(path)
    client = connect(KubeSettings(kubeconfig=settings.kubeconfig, context=settings.context))
    try:
        seen = seen_once(client, written)
    finally:
        client.close()
    found = survey(seen.nodes, seen.finder, settings.survey_rules(), now_seconds=time.time())
    known = [each.node for each in seen.nodes if each.node is not None]
    return Planned(
        rule=settings.rule,
        survey=found,
        telling=telling_labels(known, found.wanted),
        doubts=seen.doubts,
    )


def checked_by_server(found: Planned, settings: TiersSettings) -> dict[str, str]:
    """Send each change to the API server as a dry run; what it refused, by node."""
    later = (each.change for each in found.survey.plan.waiting)
    changes = [*found.survey.plan.changes, *later]
    if not changes:
        return {}
    client = connect(KubeSettings(kubeconfig=settings.kubeconfig, context=settings.context))
    labels = NodeLabels(client)
    uids = {each.name: each.label.uid for each in found.survey.nodes}
    refusals = {}
    with live_steps() as steps:
        steps.begin("dry run of the API server", len(changes))
        for change in changes:
            uid, force = uids[change.node], settings.force
            try:
                if change.after is None:
                    labels.remove(change.node, uid=uid, force=force, dry_run=True)
                else:
                    tier = int(change.after)
                    labels.set(change.node, tier, uid=uid, force=force, dry_run=True)
            except KubeError as error:
                refusals[change.node] = str(error)
            steps.advance(1)
    client.close()
    return refusals
