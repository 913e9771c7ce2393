"""How a pod wants to be treated: left alone, or kept from nodes that run too hot for it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cluster.model import Pod
from extender.board import COME_WITH_A_NODE

IGNORE = "negawatt.dev/ignore"
LATENCY_CRITICAL = "negawatt.dev/latency-critical"
CEILING = "negawatt.dev/utilisation-ceiling-ratio"
PART_OF = "app.kubernetes.io/part-of"
US = "negawatt"


def skipped(pod: Pod, namespace_labels: Mapping[str, str]) -> str | None:
    """Why the pod is not ranked; None if it is."""
    if _is_true(pod.labels.get(IGNORE)) or _is_true(pod.annotations.get(IGNORE)):
        return f"the pod opted out ({IGNORE})"
    if _is_true(namespace_labels.get(IGNORE)):
        return f"its namespace opted out ({IGNORE})"
    if pod.labels.get(PART_OF) == US:
        return "it is one of ours"
    if pod.owner is not None and pod.owner.kind in COME_WITH_A_NODE:
        return f"a pod of a {pod.owner.kind} has but one node"
    return None


def ceiling_ratio(
    pod: Pod, namespace_labels: Mapping[str, str], default_ratio: float
) -> float | None:
    """The utilisation up to which nodes with this pod may be packed; None if it does not matter.

    A ceiling that cannot be read is taken for the default: whoever wrote it meant to be careful.
    """
    for found in (pod.annotations, pod.labels, namespace_labels):
        if CEILING in found:
            return _ratio(found[CEILING], default_ratio)
        if _is_true(found.get(LATENCY_CRITICAL)):
            return default_ratio
    return None


def doubt(pod: Pod, namespace_labels: Mapping[str, str], default_ratio: float) -> str | None:
    """What is wrong with the ceiling that the pod or its namespace asks for; None if nothing."""
    for found in (pod.annotations, pod.labels, namespace_labels):
        if CEILING in found:
            if _read_ratio(found[CEILING]) is not None:
                return None
            return (
                f"{CEILING} is {found[CEILING]!r}, not a number above 0 and up to 1; "
                f"{default_ratio:g} is used"
            )
    return None


def _is_true(value: str | None) -> bool:
    return value is not None and value.strip().lower() == "true"


def _ratio(text: str, default_ratio: float) -> float:
    found = _read_ratio(text)
    return default_ratio if found is None else found


def _read_ratio(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0.0 < value <= 1.0 else None
