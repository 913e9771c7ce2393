"""What the how-to pages on deploying tell people to type and to write is right."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import repository
import yaml

from extender.settings import PREFIX, ExtenderSettings
from simulator.sandbox.control_plane import ControlPlane

PAGES = {
    name: (repository.ROOT / f"docs/how-to/{name}.md").read_text(encoding="utf-8")
    for name in ("observe", "run-beside-kube-scheduler")
}


def fragments(page: str) -> list[str]:
    """Return the YAML of a page, block by block, indentation taken away."""
    found = re.findall(r"^( *)```yaml\n(.*?)^ *```", PAGES[page], re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_of_the_repository_exists(page: str) -> None:
    """A folder that was renamed leaves people without a next step."""
    paths = re.findall(r"\b((?:deploy|helm)/[\w./-]*[\w-])", PAGES[page])
    assert paths
    assert [path for path in paths if not (repository.ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_is_one(page: str) -> None:
    """By its exact name."""
    told = set(re.findall(rf"{PREFIX}(\w+)", PAGES[page]))
    assert told
    assert {name.lower() for name in told} <= ExtenderSettings.model_fields.keys()


@pytest.mark.prometheus
def test_prometheus_takes_the_scrape_configuration(tmp_path: Path) -> None:
    """As far as Debian's Prometheus, built without Kubernetes' discovery, can judge it."""
    (text,) = fragments("observe")
    document = yaml.safe_load(text)
    assert document["scrape_configs"][0].pop("kubernetes_sd_configs")
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    command = ["promtool", "check", "config", "--syntax-only", str(file)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_api_server_takes_the_examples(control_plane: ControlPlane) -> None:
    """The workload as it stands, the extender's container in a pod with its two volumes."""
    workload, container = map(yaml.safe_load, fragments("run-beside-kube-scheduler"))
    names = [mount["name"] for mount in container[0]["volumeMounts"]]
    volumes = [{"name": name, "hostPath": {"path": f"/{name}"}} for name in names]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "kube-scheduler"},
        "spec": {"hostNetwork": True, "containers": container, "volumes": volumes},
    }
    create = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
    for document in (workload, pod):
        assert "server dry run" in control_plane.kubectl(*create, manifest=document)
