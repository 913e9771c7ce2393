"""Take the tier labels off a cluster, and look whether anything of ours is left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cluster.kube.client import connect
from cluster.kube.errors import KubeError, NotFoundError
from cluster.kube.node_labels import LabelOwnedError, NodeLabel, NodeLabels
from cluster.kube.settings import KubeSettings
from console.progress import live_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What was removed, or with `dry_run` would be.

    Attributes:
        nodes: how many the cluster has.
        removed: nodes whose label went.
        kept: labels that others set, as we found them.
        failures: why a label could not be removed, by node.
        left: nodes that still had a label to remove afterwards.
    """

    dry_run: bool
    nodes: int
    removed: tuple[str, ...]
    kept: tuple[NodeLabel, ...]
    failures: dict[str, str]
    left: tuple[str, ...]


def removed(
    kubeconfig: Path | None, context: str | None, *, everybody: bool, dry_run: bool
) -> Removal:
    """Remove our labels, with `everybody` all of the key; then read the cluster again.

    Raises:
        KubeError: the nodes cannot be listed.
    """
    client = connect(KubeSettings(kubeconfig=kubeconfig, context=context))
    labels = NodeLabels(client)
    found = list(labels.read_all())
    done, failures = [], {}
    wanted = [label for label in found if _is_to_go(label, everybody=everybody)]
    with live_steps() as steps:
        steps.begin("asking what would go" if dry_run else "removing labels", len(wanted))
        for label in wanted:
            try:
                labels.remove(label.node, uid=label.uid, force=everybody, dry_run=dry_run)
            except NotFoundError:
                pass  # the node went, and its label with it
            except LabelOwnedError:
                pass  # somebody else set it as well: ours is gone, and it is among those kept
            except KubeError as error:
                failures[label.node] = str(error)
            else:
                done.append(label.node)
            steps.advance(1)
    after = found if dry_run else list(labels.read_all())
    client.close()
    left = [label for label in after if not dry_run and _is_to_go(label, everybody=everybody)]
    return Removal(
        dry_run=dry_run,
        nodes=len(found),
        removed=tuple(done),
        kept=tuple(
            label
            for label in after
            if label.value is not None and not _is_to_go(label, everybody=everybody)
        ),
        failures=failures,
        left=tuple(label.node for label in left),
    )


def _is_to_go(label: NodeLabel, *, everybody: bool) -> bool:
    return label.ours or (everybody and label.value is not None)
