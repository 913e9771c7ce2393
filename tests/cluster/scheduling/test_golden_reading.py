"""The product's reading of API objects beside the tests' own, on the recorded clusters."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

from kube_objects import node_of, pod_of

from cluster.kube.convert import read_node, read_pod

GOLDEN = Path(__file__).parents[1] / "golden" / "decisions.jsonl.gz"


def test_both_readings_of_the_recorded_objects_agree() -> None:
    """Two converters written apart make the same nodes and pods of the same JSON."""
    with gzip.open(GOLDEN, "rt", encoding="utf-8") as lines:
        clusters = [json.loads(line) for line in lines]
    for cluster in clusters:
        for node in cluster["nodes"]:
            assert read_node(node).value == node_of(node)
        for pod in [*(cluster["placed"] or ()), *(d["pod"] for d in cluster["decisions"])]:
            read = read_pod(pod).value
            assert read is not None
            ours = replace(pod_of(pod), node_name=pod["spec"].get("nodeName"))
            assert read == ours
