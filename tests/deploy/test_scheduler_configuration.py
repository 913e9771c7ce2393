"""The shipped scheduler configurations: valid, alike, and as their page says."""

from __future__ import annotations

import copy
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import repository
import scheduler_files
import yaml

from simulator.sandbox.toolchain import Toolchain

PAGE = repository.ROOT / "docs/reference/scheduler-configuration.md"
FILES = (scheduler_files.SECOND, scheduler_files.DEFAULT)
ROW = re.compile(r"^\| \**([A-Za-z]\w*)[^|]*\| (\d+|off) \| ([\d,]+) \|$", re.MULTILINE)
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "x",
}


def completed(
    toolchain: Toolchain, document: dict[str, Any], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Have kube-scheduler read a configuration and write it down with its defaults."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(KUBECONFIG), encoding="utf-8")
    document = copy.deepcopy(document)
    document["clientConnection"]["kubeconfig"] = str(kubeconfig)
    file = scheduler_files.written(document, folder)
    command = [str(toolchain.program("kube-scheduler")), f"--config={file}", "--secure-port=0"]
    command.append(f"--write-config-to={folder / 'completed.yaml'}")
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_kube_scheduler_takes_it(toolchain: Toolchain, file: Path, tmp_path: Path) -> None:
    """Every field is one that it knows, and says what we mean."""
    document = scheduler_files.shipped(file)
    answer = completed(toolchain, document, tmp_path)
    assert answer.returncode == 0, answer.stderr
    read = yaml.safe_load((tmp_path / "completed.yaml").read_text(encoding="utf-8"))
    assert read["extenders"] == document["extenders"]
    enabled = {
        each["name"]: each["weight"] for each in read["profiles"][0]["plugins"]["score"]["enabled"]
    }
    assert enabled == weights(document)


def test_kube_scheduler_would_refuse_a_misspelt_field(toolchain: Toolchain, tmp_path: Path) -> None:
    """So that the test above can fail."""
    document = scheduler_files.shipped()
    document["extenders"][0]["ignorabel"] = True
    assert completed(toolchain, document, tmp_path).returncode != 0


def test_the_two_differ_only_where_they_must() -> None:
    """A choice that is right beside kube-scheduler is right in place of it."""
    second, default = map(scheduler_files.shipped, FILES)
    assert second["profiles"][0].pop("schedulerName") == "negawatt"
    assert default["profiles"][0].pop("schedulerName") == "default-scheduler"
    assert second["leaderElection"].pop("resourceName") == "negawatt-scheduler"
    assert default["leaderElection"].pop("resourceName") == "kube-scheduler"
    assert second["leaderElection"].pop("resourceNamespace") == "negawatt-system"
    assert default["leaderElection"].pop("resourceNamespace") == "kube-system"
    assert default["clientConnection"].pop("kubeconfig") == "/etc/kubernetes/scheduler.conf"
    assert second == default


def weights(document: dict[str, Any]) -> dict[str, int]:
    """Return the weights of the score plugins."""
    score = document["profiles"][0]["plugins"]["score"]
    return {each["name"]: each["weight"] for each in score["enabled"]}


def test_a_rank_outweighs_packing_and_spreading_and_users_outweigh_ranks() -> None:
    """The inequalities that the page promises, with 100 as the most that a plugin scores."""
    document = scheduler_files.shipped()
    weight = weights(document)
    rank = 10 * document["extenders"][0]["weight"]
    within = 100 * (weight["NodeResourcesFit"] + weight["PodTopologySpread"])
    strongest = 10 * rank + within

    assert rank > within
    assert 100 * weight["TaintToleration"] > strongest
    assert 100 * weight["InterPodAffinity"] > strongest
    assert (100 - 100 * 100 // 150) * weight["NodeAffinity"] > strongest
    assert 50 * weight["NodeAffinity"] == 100 * weight["InterPodAffinity"]


def test_the_page_has_the_weights_of_the_files() -> None:
    """Its table of points, row by row."""
    document = scheduler_files.shipped()
    known = weights(document) | {"extender": document["extenders"][0]["weight"]}
    off = document["profiles"][0]["plugins"]["score"]["disabled"]
    known |= {each["name"]: "off" for each in off if each["name"] != "ImageLocality"}
    of_extender, _, _ = PAGE.read_text(encoding="utf-8").partition("\n## Energy tiers\n")
    rows = ROW.findall(of_extender)

    assert {name: weight for name, weight, _ in rows} == {k: str(v) for k, v in known.items()}
    for name, weight, points in rows:
        if name not in {"extender", "NodeAffinity"} and weight != "off":
            assert int(points.replace(",", "")) == 100 * int(weight)
