"""Who is left alone, and up to where nodes with latency-critical pods may be packed."""

from __future__ import annotations

import pytest
from core_scenes import task

from cluster.model import Owner
from extender.treatment import (
    CEILING,
    IGNORE,
    LATENCY_CRITICAL,
    PART_OF,
    ceiling_ratio,
    skipped,
)

DEFAULT = 0.7


@pytest.mark.parametrize("text", ["true", "True", " TRUE "])
def test_pods_and_namespaces_opt_out(text: str) -> None:
    """By label or annotation of the pod, or by label of its namespace; the reason names which."""
    assert IGNORE in skipped(task("p", labels={IGNORE: text}), {})
    assert IGNORE in skipped(task("p", annotations={IGNORE: text}), {})
    assert "namespace" in skipped(task("p"), {IGNORE: text})


@pytest.mark.parametrize("text", ["false", "", "1", "yes", "no"])
def test_only_true_opts_out(text: str) -> None:
    """As the documents say it."""
    pod = task("p", labels={IGNORE: text}, annotations={IGNORE: text})
    assert skipped(pod, {IGNORE: text}) is None


def test_a_pod_cannot_opt_in_again_from_a_namespace_that_opted_out() -> None:
    """Whoever owns the namespace decides."""
    assert skipped(task("p", labels={IGNORE: "false"}), {IGNORE: "true"}) is not None


def test_our_own_pods_are_left_alone() -> None:
    """A scheduler that places its own extender would wait for itself."""
    assert "ours" in skipped(task("p", labels={PART_OF: "negawatt"}), {})
    assert skipped(task("p", labels={PART_OF: "shop"}), {}) is None


@pytest.mark.parametrize(
    ("kind", "said"), [("DaemonSet", "DaemonSet"), ("Node", "Node"), ("Job", None)]
)
def test_pods_with_one_possible_node_are_left_alone(kind: str, said: str | None) -> None:
    """DaemonSets' and static pods: there is nothing to prefer."""
    found = skipped(task("p", owner=Owner(kind=kind, name="x")), {})
    assert found is None if said is None else said in found


def test_a_plain_pod_has_no_ceiling() -> None:
    """Nor one that says false."""
    assert ceiling_ratio(task("p"), {}, DEFAULT) is None
    assert ceiling_ratio(task("p", labels={LATENCY_CRITICAL: "false"}), {}, DEFAULT) is None


@pytest.mark.parametrize("place", ["annotations", "labels", "namespace"])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({LATENCY_CRITICAL: "true"}, DEFAULT),
        ({CEILING: "0.4"}, 0.4),
        ({CEILING: "1"}, 1.0),
        ({CEILING: "0.9", LATENCY_CRITICAL: "true"}, 0.9),
        *(
            ({CEILING: wrong}, DEFAULT)
            for wrong in ("x", "", "0", "-1", "1.5", "nan", "inf", "70%")
        ),
    ],
)
def test_a_ceiling_is_said_in_three_places(
    place: str, said: dict[str, str], expected: float
) -> None:
    """What cannot be read is taken for the default: whoever wrote it meant to be careful."""
    namespace = said if place == "namespace" else {}
    pod = task("p", **({} if place == "namespace" else {place: said}))
    assert ceiling_ratio(pod, namespace, DEFAULT) == expected


def test_the_pod_speaks_before_its_namespace() -> None:
    """The nearer, the more it knows."""
    pod = task("p", annotations={CEILING: "0.3"}, labels={CEILING: "0.5"})
    assert ceiling_ratio(pod, {CEILING: "0.9"}, DEFAULT) == 0.3
