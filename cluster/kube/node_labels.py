"""One label of nodes, set and removed by server-side apply, so that its owner stays on record.

The key lies under node-restriction.kubernetes.io: the API server's NodeRestriction admission lets
no kubelet set, change or remove such a label on any node, its own included, nor register with one.
So a node that was broken into cannot draw pods to itself by it. It stops kubelets alone (users
`system:node:…`): whoever else may patch nodes may set the label, and an API server that runs
without this admission plugin stops nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kubernetes.client import CoreV1Api

from cluster.kube.client import NODES, JsonObject, KubeClient
from cluster.kube.errors import (
    ConflictError,
    ForbiddenError,
    KubeError,
    KubeRequest,
    NotFoundError,
    RejectedError,
)
from cluster.scheduling.profile import ENERGY_TIER_LABEL, ENERGY_TIERS
from energy.errors import InputError

FIELD_MANAGER: Final = "negawatt-tiers"
_APPLY: Final = "application/apply-patch+yaml"  # JSON is YAML
_MERGE: Final = "application/merge-patch+json"
_PAGE_OBJECTS_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLabel:
    """What a node carries under our key.

    Attributes:
        node: the node's name.
        uid: which node of that name; one that is made anew has another.
        value: the label's value; None where the node does not have it.
        ours: we set it, by server-side apply.
        foreign_owners: the other field managers on record for it, who keep it when we let go.
            Several may agree on a value.
        changed_at_seconds: when we last changed it (Unix, whole seconds, the API server's clock),
            which outlives our restarts; None where it is not ours, or somebody had set that value
            before us.
    """

    node: str
    uid: str
    value: str | None
    ours: bool = False
    foreign_owners: tuple[str, ...] = ()
    changed_at_seconds: float | None = None


class LabelOwnedError(ConflictError):
    """Somebody else set the label; `label` says what and who."""

    def __init__(self, what: str, *, where: str, mend: str, label: NodeLabel) -> None:
        super().__init__(what, where=where, mend=mend)
        self.label = label


class NodeLabels:
    """The gateway to our label on nodes. Safe to share between threads, as the client is.

    Nothing but the label is ever sent. Every method raises KubeError: NotFoundError where the node
    is gone (also where another has taken its name since), ForbiddenError and RejectedError as the
    API server and its admission decide.
    """

    def __init__(self, client: KubeClient, *, answer_seconds_max: float | None = None) -> None:
        """Prepare.

        Args:
            client: whom to ask.
            answer_seconds_max: how long a connection and an answer may take, each; None: as the
                client's settings say.
        """
        self._client = client
        self._answer_seconds_max = answer_seconds_max

    def read(self, node: str) -> NodeLabel:
        """Return what one node carries now."""
        request = self._request("get", node)
        call = CoreV1Api(self._client.api).read_node
        return self._ask(call, request, {"name": node})

    def read_all(self) -> Iterator[NodeLabel]:
        """Yield what each node carries, page by page. GoneError in between: start again."""
        for page in self._client.pages(NODES, page_objects_max=_PAGE_OBJECTS_MAX):
            yield from map(read_node_label, page.items)

    def set(
        self, node: str, tier: int, *, uid: str = "", force: bool = False, dry_run: bool = False
    ) -> NodeLabel:
        """Give a node its tier; return what the server stored, or with `dry_run` would store.

        `uid` says which node of that name is meant; without it one more request finds out.

        Raises:
            LabelOwnedError: another field manager has set another value, and `force` is not given.
                With it the label becomes ours alone.
        """
        if not 0 <= tier < ENERGY_TIERS:
            raise InputError(f"a tier is 0 to {ENERGY_TIERS - 1}, not {tier}")
        labels = {ENERGY_TIER_LABEL: str(tier)}
        return self._apply(node, uid or self.read(node).uid, labels, force=force, dry_run=dry_run)

    def remove(
        self, node: str, *, uid: str = "", force: bool = False, dry_run: bool = False
    ) -> NodeLabel:
        """Take our label away; return what the server stored, or with `dry_run` would store.

        Of ours nothing stays, neither the label nor an entry in managedFields. Where the node has
        no such label nothing is written.

        Raises:
            LabelOwnedError: another field manager set it too, so it stays. `force` removes it all
                the same.
        """
        label = self.read(node)
        if uid and label.uid != uid:
            raise self._replaced(node)
        if label.ours:
            label = self._apply(node, label.uid, {}, force=False, dry_run=dry_run)
        if label.value is not None and force:
            label = self._delete(label, dry_run=dry_run)
        if label.value is not None:
            raise self._owned(label)
        return label

    def _apply(
        self, node: str, uid: str, labels: dict[str, str], *, force: bool, dry_run: bool
    ) -> NodeLabel:
        """State the whole of what we want of a node."""
        # Without the uid the API server would make a node that has just been deleted anew.
        metadata: JsonObject = {"name": node, "uid": uid}
        if labels:  # an empty map would be a field of ours, and stay on record
            metadata["labels"] = labels
        body = {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
        options = {"body": body, "force": force, "_content_type": _APPLY}
        try:
            return self._patch(node, options, dry_run=dry_run)
        except (ConflictError, ForbiddenError, RejectedError) as refusal:
            self._explain(node, uid, refusal)
            raise

    def _delete(self, label: NodeLabel, *, dry_run: bool) -> NodeLabel:
        """Remove the label whoever set it."""
        metadata = {"uid": label.uid, "labels": {ENERGY_TIER_LABEL: None}}
        options: JsonObject = {"body": {"metadata": metadata}, "_content_type": _MERGE}
        return self._patch(label.node, options, dry_run=dry_run)

    def _patch(self, node: str, options: JsonObject, *, dry_run: bool) -> NodeLabel:
        request = self._request("patch", node)
        call = CoreV1Api(self._client.api).patch_node
        options = {"name": node, "field_manager": FIELD_MANAGER, **options}
        if dry_run:
            options["dry_run"] = "All"
        return self._ask(call, request, options)

    def _ask(
        self, call: Callable[..., object], request: KubeRequest, options: JsonObject
    ) -> NodeLabel:
        seconds = self._answer_seconds_max
        return read_node_label(
            self._client.ask(call, request, options, read_timeout_seconds=seconds)
        )

    def _explain(self, node: str, uid: str, refusal: KubeError) -> None:
        """Raise what is behind a refusal, where it is a node that is gone or another's label."""
        label = self.read(node)
        if label.uid != uid:
            raise self._replaced(node) from refusal
        if isinstance(refusal, ConflictError) and label.foreign_owners:
            raise self._owned(label) from refusal

    def _owned(self, label: NodeLabel) -> LabelOwnedError:
        owners = ", ".join(label.foreign_owners) or "unknown"
        return LabelOwnedError(
            f"node {label.node} has {ENERGY_TIER_LABEL}={label.value} from another field manager "
            f"({owners})",
            where=self._client.server,
            mend=f"let it go there, or `kubectl label node {label.node} {ENERGY_TIER_LABEL}-`",
            label=label,
        )

    def _replaced(self, node: str) -> NotFoundError:
        return NotFoundError(
            f"node {node} is gone, and another has its name",
            where=self._client.server,
            mend="list the nodes again",
        )

    def _request(self, verb: str, node: str) -> KubeRequest:
        return KubeRequest(server=self._client.server, verb=verb, resource="nodes", name=node)


def read_node_label(item: JsonObject) -> NodeLabel:
    """Read our key from a node as the API server sent it, as an informer may; never raises."""
    metadata = _mapping(item.get("metadata"))
    entries = metadata.get("managedFields")
    found = [_mapping(entry) for entry in entries] if isinstance(entries, list) else []
    owners = [entry for entry in found if _owns(entry)]
    ours = [entry for entry in owners if _is_ours(entry)]
    return NodeLabel(
        node=str(metadata.get("name", "")),
        uid=str(metadata.get("uid", "")),
        value=_mapping(metadata.get("labels")).get(ENERGY_TIER_LABEL),
        ours=bool(ours),
        foreign_owners=tuple(str(entry.get("manager")) for entry in owners if entry not in ours),
        changed_at_seconds=_unix_seconds(ours[0].get("time")) if ours else None,
    )


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _owns(entry: dict[str, Any]) -> bool:
    fields = _mapping(_mapping(entry.get("fieldsV1")).get("f:metadata"))
    return f"f:{ENERGY_TIER_LABEL}" in _mapping(fields.get("f:labels"))


def _is_ours(entry: dict[str, Any]) -> bool:
    return (
        entry.get("manager") == FIELD_MANAGER
        and entry.get("operation") == "Apply"
        and not entry.get("subresource")
    )


def _unix_seconds(time: object) -> float | None:
    """Read RFC 3339; None where an entry has no time, as when we agreed with another's value."""
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return None
