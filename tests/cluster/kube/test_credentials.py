"""Wrong credentials are one line that says what, where and how to mend it."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_api import write_kubeconfig

from cluster.kube.client import connect
from cluster.kube.errors import KubeconfigError
from cluster.kube.settings import KubeSettings
from energy.errors import InputError

BROKEN = {
    "empty": "",
    "not YAML": "clusters: [unclosed",
    "a tab in YAML": "\tclusters: x",
    "another document": "hello: world",
    "a list": "[1, 2]",
    "no clusters": "current-context: test\ncontexts: []\nusers: []\nclusters: []\n",
    "numbers for names": "current-context: 3\ncontexts: 4\nclusters: 5\nusers: 6\n",
    "bad base64": (
        "current-context: t\ncontexts: [{name: t, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', "
        "certificate-authority-data: 'abcde'}}]\nusers: [{name: u, user: {}}]\n"
    ),
    "a missing certificate": (
        "current-context: t\ncontexts: [{name: t, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', "
        "certificate-authority: /no/such/file}}]\nusers: [{name: u, user: {}}]\n"
    ),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_kubeconfig_is_one_line_that_names_the_file(text: str, tmp_path: Path) -> None:
    """Whatever is wrong inside, the user reads one line with the path in it, and exit code 2."""
    path = tmp_path / "config"
    path.write_text(text)

    with pytest.raises(KubeconfigError) as caught:
        connect(KubeSettings(kubeconfig=path), environment={})

    assert isinstance(caught.value, InputError)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_kubeconfig_says_how_to_name_another(tmp_path: Path) -> None:
    """No file, no guess: the message names the path and the option."""
    with pytest.raises(KubeconfigError, match=r"nowhere: no such kubeconfig; name an existing"):
        connect(KubeSettings(kubeconfig=tmp_path / "nowhere"), environment={})


def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    """A misspelt context stops the start."""
    path = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:1")

    said = f"^{path}: no context production; see `kubectl config get-contexts`$"
    with pytest.raises(KubeconfigError, match=said):
        connect(KubeSettings(kubeconfig=path, context="production"), environment={})


def test_in_cluster_credentials_outside_a_pod_are_refused() -> None:
    """Outside a pod there is no ServiceAccount, and the message says so."""
    with pytest.raises(KubeconfigError, match=r"ServiceAccount of this pod: .*; run inside a pod"):
        connect(KubeSettings(credentials="in-cluster"), environment={})


def test_the_variable_kubeconfig_is_used_when_no_file_is_named(tmp_path: Path) -> None:
    """The environment's file wins over the pod's own account, as with kubectl."""
    path = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:12345")
    environment = {"KUBECONFIG": f"{tmp_path / 'missing'}:{path}", "KUBERNETES_SERVICE_HOST": "x"}

    client = connect(KubeSettings(), environment=environment)

    assert client.server == "http://127.0.0.1:12345"


def test_loading_leaves_the_kubeconfig_untouched(tmp_path: Path) -> None:
    """The user's file is read, never written."""
    path = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    before = path.read_bytes(), path.stat().st_mtime_ns

    connect(KubeSettings(kubeconfig=path), environment={})

    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
