"""What holds for every pod of ours, read from the files themselves."""

from __future__ import annotations

from typing import Any

import manifests
import yaml


def pods() -> dict[str, dict[str, Any]]:
    """Give the pod of each workload that we ship, by the workload's name."""
    documents = [
        document
        for file in sorted(manifests.FOLDER.rglob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    ]
    return {
        document["metadata"]["name"]: document["spec"]["template"]["spec"]
        for document in documents
        if document and document["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"}
    }


def test_no_pod_is_told_of_the_services_beside_it():
    """A Service named like a setting of ours would be taken for one, or keep the pod from starting.

    Kubernetes tells of the API server all the same.
    """
    told = {name for name, pod in pods().items() if pod.get("enableServiceLinks", True)}

    assert len(pods()) >= 5
    assert not told
