"""Nodes as the controller sees them: what ranks them, and what their label says and by whom."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.kube.client import JsonObject
from cluster.kube.convert import read_node
from cluster.kube.node_labels import NodeLabel, read_node_label
from cluster.model import Node
from extender.tiers.labels import PresentLabel


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledNode:
    """A node and its label.

    Attributes:
        node: None where the node could not be read; then its label is left as it is.
        label: what it carries, and who set that.
        doubts: what of the node could not be understood, one line each.
    """

    node: Node | None
    label: NodeLabel
    doubts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The node's name."""
        return self.label.node


def read_labelled_node(item: JsonObject) -> LabelledNode:
    """Read a node as the API server sent it; never raises."""
    reading = read_node(item)
    return LabelledNode(node=reading.value, label=read_node_label(item), doubts=reading.doubts)


def present_label(
    label: NodeLabel,
    *,
    force: bool = False,
    changed_at_seconds: float | None = None,
    wall_ahead_seconds: float = 0.0,
) -> PresentLabel:
    """What the plan needs to know of a label; with `force` everybody's is ours to change.

    `changed_at_seconds` is when we remember to have changed it, by our own clock: what the API
    server has on record is by the wall's, which is ahead of ours, and goes when the label goes.
    """
    if changed_at_seconds is None and label.changed_at_seconds is not None:
        changed_at_seconds = label.changed_at_seconds - wall_ahead_seconds
    return PresentLabel(
        value=label.value,
        ours=force or (label.ours and not label.foreign_owners),
        changed_at_seconds=changed_at_seconds,
    )
