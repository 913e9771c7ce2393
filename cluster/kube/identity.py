"""Which cluster this is: the uid of a namespace that every cluster has and nobody deletes."""

from __future__ import annotations

from typing import Final

from kubernetes.client import CoreV1Api

from cluster.kube.client import KubeClient
from cluster.kube.errors import KubeRequest, UnreadableAnswerError

_NAMESPACE: Final = "kube-system"
_ANSWER_SECONDS: Final = 5.0


def cluster_uid(client: KubeClient) -> str:
    """Return the uid of the namespace kube-system; raises `KubeError`."""
    request = KubeRequest(server=client.server, verb="get", resource="namespaces", name=_NAMESPACE)
    read = CoreV1Api(client.api).read_namespace
    found = client.ask(read, request, {"name": _NAMESPACE}, read_timeout_seconds=_ANSWER_SECONDS)
    metadata = found.get("metadata")
    uid = metadata.get("uid") if isinstance(metadata, dict) else None
    if not isinstance(uid, str) or not uid:
        raise UnreadableAnswerError(f"the namespace {_NAMESPACE} has no uid")
    return uid
