"""The forecaster's manifests: settings, limits, rights, and that a real API server takes them."""

from __future__ import annotations

from random import Random

import manifests
import pytest
import yaml
from manifests import FOLDER, only, until

from cluster.kube.client import connect
from cluster.kube.settings import KubeSettings
from cluster.kube.workload_annotations import WorkloadAnnotations
from energy.errors import UnavailableError
from forecaster.annotated import selection_of
from forecaster.selection import Selection
from forecaster.settings import PREFIX, read_settings

pytestmark = [pytest.mark.kube, pytest.mark.slow]

FORECASTER = FOLDER / "forecaster"
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: forecast-web
  namespace: default
  annotations: {negawatt.dev/forecast: "true", negawatt.dev/lead-time-seconds: "900", other: "x"}
spec:
  replicas: 0
  selector: {matchLabels: {app: forecast-web}}
  template:
    metadata: {labels: {app: forecast-web}}
    spec: {containers: [{name: web, image: web}]}
"""


@pytest.fixture(scope="module")
def documents(control_plane):
    """Give what the folder renders to."""
    return manifests.rendered(control_plane, FORECASTER)


def container(documents):
    """Give the one container."""
    (found,) = only(documents, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    return found


def test_every_setting_is_one_that_the_forecaster_knows(documents):
    """It would refuse to start with any other."""
    told = {each["name"]: each["value"] for each in container(documents)["env"]}
    values = {k.removeprefix(PREFIX).lower(): v for k, v in told.items() if k.startswith(PREFIX)}
    settings = read_settings({**values, "token_file": __file__}, environ=told)

    assert settings.stream == "kafka"
    assert settings.cluster
    assert settings.port == container(documents)["ports"][0]["containerPort"]
    mounted = {each["mountPath"] for each in container(documents)["volumeMounts"]}
    assert told["NEGAWATT_STATE"] in mounted


def test_the_container_is_locked_down_and_sized(documents):
    """As the extender's are."""
    pod = only(documents, "StatefulSet")["spec"]["template"]
    context = container(documents)["securityContext"]
    assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert "memory" in container(documents)["resources"]["limits"]
    assert container(documents)["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_an_api_server_takes_all_of_it(control_plane, documents):
    """In a namespace that is there already: its own takes long to go."""
    for document in documents:
        metadata = document["metadata"]
        if "namespace" in metadata:
            metadata = {**metadata, "namespace": "default"}
        there = {**document, "metadata": metadata}
        control_plane.kubectl("apply", "--dry-run=server", "-f", "-", manifest=there)


def test_the_account_may_see_workloads_and_no_more(control_plane, documents):
    """It writes nothing."""
    rights = [only(documents, kind) for kind in ("ClusterRole", "ClusterRoleBinding")]
    account = "--as=system:serviceaccount:negawatt-system:negawatt-forecaster"
    try:
        for document in rights:
            control_plane.kubectl("apply", "-f", "-", manifest=document)
        for what in ("deployments.apps", "statefulsets.apps"):
            control_plane.kubectl("auth", "can-i", "watch", what, account)
        for verb, what in (("patch", "deployments.apps"), ("list", "secrets"), ("list", "pods")):
            with pytest.raises(UnavailableError, match="can-i"):  # "no" is its exit status 1
                control_plane.kubectl("auth", "can-i", verb, what, account)
    finally:
        for document in rights:
            control_plane.kubectl("delete", "--ignore-not-found", "-f", "-", manifest=document)


def test_annotations_are_followed_as_they_come_and_go(control_plane, kubeconfig):
    """Ours alone are kept."""
    client = connect(KubeSettings(kubeconfig=kubeconfig))
    key = "default/Deployment/forecast-web"
    try:
        with WorkloadAnnotations(client, rng=Random(1)) as followed:
            followed.wait_until_synced(timeout_seconds=30)
            control_plane.kubectl("apply", "-f", "-", manifest=yaml.safe_load(WEB))
            assert until(lambda: followed.annotations().get(key)) == {
                "negawatt.dev/forecast": "true",
                "negawatt.dev/lead-time-seconds": "900",
            }
            selection = selection_of(followed.annotations(), Selection())
            assert selection.lead_time_of(key) == 900.0
            assert followed.errors() == ()
            gone = ("annotate", "deployment", "forecast-web", "negawatt.dev/forecast-")
            control_plane.kubectl(*gone, "negawatt.dev/lead-time-seconds-")
            until(lambda: key not in followed.annotations())
    finally:
        client.close()
        control_plane.kubectl("delete", "deployment", "forecast-web", "--ignore-not-found")
