"""The plain manifests: what they promise is in them, and a real API server takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import manifests
import pytest
import repository
import scheduler_files
import yaml
from manifests import ACCOUNT, NAMESPACE, OBSERVE, SCHEDULER

from extender.settings import NO_LEDGER, ExtenderSettings
from simulator.sandbox.control_plane import ControlPlane

HUNG_SECONDS_MAX = 10
#: docs/reference/ledger.md: a row with nine candidates; and room for the write-ahead log.
ROW_BYTES, SLACK = 2500, 1.5


@pytest.fixture(scope="module")
def documents(control_plane: ControlPlane) -> dict[str, list[dict[str, Any]]]:
    """Give what each folder renders to."""
    folders = (ACCOUNT, OBSERVE, SCHEDULER)
    return {folder.name: manifests.rendered(control_plane, folder) for folder in folders}


def pod_specs(documents: dict[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yield the pods of all Deployments."""
    for document in (one for found in documents.values() for one in found):
        if document["kind"] == "Deployment":
            yield document["spec"]["template"]["spec"]


def extenders(documents: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the extender's containers: the observer's and the scheduler's."""
    found = [
        container
        for spec in pod_specs(documents)
        for container in spec["containers"]
        if container["name"] == "extender"
    ]
    assert len(found) == 2
    return found


def test_the_scheduler_runs_the_shipped_configuration(documents) -> None:
    """One source: what the ConfigMap holds is the file, byte for byte."""
    configuration = manifests.only(documents["scheduler"], "ConfigMap")
    text = scheduler_files.SECOND.read_text(encoding="utf-8")
    assert configuration["data"] == {"kube-scheduler.yaml": text}
    assert configuration["metadata"]["namespace"] == NAMESPACE

    pod = manifests.only(documents["scheduler"], "Deployment")["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["configuration"]["configMap"]["name"] == configuration["metadata"]["name"]


def test_the_extender_listens_where_the_scheduler_asks(documents) -> None:
    """On loopback of the same pod, and for the profile's name."""
    shipped = scheduler_files.shipped()
    asked = shipped["extenders"][0]["urlPrefix"]
    pod = manifests.only(documents["scheduler"], "Deployment")["spec"]["template"]["spec"]
    extender = next(each for each in pod["containers"] if each["name"] == "extender")
    told = {each["name"]: each["value"] for each in extender["env"]}
    assert asked == f"http://127.0.0.1:{told['NEGAWATT_EXTENDER__PORT']}/scheduler"
    names = [profile["schedulerName"] for profile in shipped["profiles"]]
    assert told["NEGAWATT_EXTENDER__SCHEDULER_NAMES"] == ",".join(names)
    assert pod["schedulerName"] not in names


def test_every_setting_is_one_that_the_extender_knows(documents) -> None:
    """It would refuse to start with any other."""
    settings = pytest.importorskip("extender.settings")
    for extender in extenders(documents):
        told = {each["name"]: each["value"] for each in extender["env"]}
        told["NEGAWATT_EXTENDER__TOKEN_FILE"] = __file__
        prefix = settings.PREFIX
        values = {
            name.removeprefix(prefix).lower(): value
            for name, value in told.items()
            if name.startswith(prefix)
        }
        assert settings.read_settings(values, environ=told).host == "0.0.0.0"  # noqa: S104


def test_no_ledger_can_take_the_scheduler_along(documents) -> None:
    """A pod whose volume is full is evicted with all its containers: only the observer records."""
    observer, beside = extenders(documents)
    told = {each["name"]: each["value"] for each in beside["env"]}
    assert told["NEGAWATT_EXTENDER__LEDGER_URL"] == NO_LEDGER
    told = {each["name"]: each["value"] for each in observer["env"]}
    assert told["NEGAWATT_STATE"] in {mount["mountPath"] for mount in observer["volumeMounts"]}
    pod = manifests.only(documents["observe"], "Deployment")["spec"]["template"]["spec"]
    (room,) = [each["emptyDir"] for each in pod["volumes"] if each["name"] == "ledger"]
    rows_max = ExtenderSettings().ledger_rows_max
    assert rows_max * ROW_BYTES * SLACK <= _bytes(room["sizeLimit"])


def _bytes(size: str) -> int:
    assert size.endswith("Gi")
    return int(size.removesuffix("Gi")) * 2**30


def test_no_proxy_is_put_between_the_extender_and_its_callers(documents) -> None:
    """Every caller of the pod would come from loopback, where none has to show a token."""
    for found in documents.values():
        for document in found:
            if document["kind"] == "Deployment":
                labels = document["spec"]["template"]["metadata"]["labels"]
                assert labels["sidecar.istio.io/inject"] == "false"


def test_an_extender_that_hangs_is_ended_within_ten_seconds(documents) -> None:
    """The last good probe may be a period old; it hears no SIGTERM, so the grace counts too."""
    for extender in extenders(documents):
        probe = extender["livenessProbe"]
        assert probe["httpGet"]["path"] == "/healthz"
        until_failed = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
        assert until_failed + probe["terminationGracePeriodSeconds"] <= HUNG_SECONDS_MAX
        assert extender["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert "startupProbe" in extender


def test_every_container_is_locked_down_and_sized(documents) -> None:
    """Checked by the API server too, where the namespace's level says so."""
    for spec in pod_specs(documents):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


def test_only_the_scheduler_gets_the_scheduler_s_account(documents) -> None:
    """The extender beside it reads with an account that may bind nothing."""
    deployment = manifests.only(documents["scheduler"], "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    token_folder = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
    mounted = {
        container["name"]: mount["name"]
        for container in pod["containers"]
        for mount in container["volumeMounts"]
        if mount["mountPath"] == token_folder
    }
    assert mounted == {"kube-scheduler": "scheduler-account", "extender": "extender-account"}
    secret = manifests.only(documents["scheduler"], "Secret")
    of = secret["metadata"]["annotations"]["kubernetes.io/service-account.name"]
    assert of == "negawatt-extender"


def test_everything_says_whose_it_is(documents) -> None:
    """Labels by which our own pods are left out, and by which all of it is found again."""
    for found in documents.values():
        for document in found:
            if document["kind"] != "ConfigMap":
                assert document["metadata"]["labels"]["app.kubernetes.io/part-of"] == "negawatt"
            if document["kind"] == "Deployment":
                labels = document["spec"]["template"]["metadata"]["labels"]
                assert labels["app.kubernetes.io/part-of"] == "negawatt"
                assert labels["negawatt.dev/ignore"] == "true"


def test_images_are_of_this_version_and_of_the_tested_kubernetes(documents, toolchain) -> None:
    """`latest` would be another program tomorrow."""
    images = {each["image"] for spec in pod_specs(documents) for each in spec["containers"]}
    kubernetes = toolchain.components()["kube-scheduler"].version.removeprefix("v")
    version = repository.project()["project"]["version"]
    assert images == {f"negawatt:{version}", f"kube-scheduler:v{kubernetes}"}


@pytest.mark.parametrize("folder", [ACCOUNT, OBSERVE, SCHEDULER], ids=lambda folder: folder.name)
def test_the_api_server_takes_every_field(control_plane: ControlPlane, folder) -> None:
    """A misspelt field is an error and no warning."""
    documents = manifests.rendered(control_plane, folder)
    control_plane.kubectl("apply", "-k", str(ACCOUNT))
    try:
        apply = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
        said = control_plane.kubectl(
            *apply, manifest={"kind": "List", "apiVersion": "v1", "items": documents}
        )
        assert said.count("server dry run") == len(documents)
    finally:
        control_plane.kubectl("delete", "-k", str(ACCOUNT))


def test_both_installs_come_up(control_plane: ControlPlane) -> None:
    """With their pods admitted under the strictest pod security level, and nothing left behind."""
    with manifests.installed(control_plane, OBSERVE, SCHEDULER):
        for name in ("negawatt-observe", "negawatt-scheduler"):
            rollout = ("rollout", "status", f"deployment/{name}", f"--namespace={NAMESPACE}")
            control_plane.kubectl(*rollout, "--timeout=120s")
        pods = json.loads(
            control_plane.kubectl("get", "pods", f"--namespace={NAMESPACE}", "--output=json")
        )
        assert len(pods["items"]) == 3
        budget = control_plane.kubectl(
            "get",
            "pdb",
            "negawatt-scheduler",
            f"--namespace={NAMESPACE}",
            "--output=jsonpath={.status.expectedPods}",
        )
        assert budget == "2"
    left = "deployments,services,configmaps,roles,clusterroles,clusterrolebindings,rolebindings"
    selector = "--selector=app.kubernetes.io/part-of=negawatt"
    assert control_plane.kubectl("get", left, "--all-namespaces", selector, "--output=name") == ""


def test_the_ledger_can_be_put_on_a_volume(control_plane: ControlPlane, tmp_path) -> None:
    """As the page says: by two lines of the kustomization."""
    folder = tmp_path / "manifests"
    for part in ("observe", "ledger-volume"):
        for file in (manifests.FOLDER / part).iterdir():
            copy = folder / part / file.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    kustomization = folder / "observe/kustomization.yaml"
    text = kustomization.read_text(encoding="utf-8")
    text = text.replace("# components:", "components:").replace("#   - ../led", "  - ../led")
    kustomization.write_text(text, encoding="utf-8")

    documents = manifests.rendered(control_plane, folder / "observe")
    spec = manifests.only(documents, "Deployment")["spec"]["template"]["spec"]
    ledger = next(volume for volume in spec["volumes"] if volume["name"] == "ledger")
    claim = manifests.only(documents, "PersistentVolumeClaim")["metadata"]["name"]
    assert ledger == {"name": "ledger", "persistentVolumeClaim": {"claimName": claim}}


def test_files_are_plain_yaml() -> None:
    """So that other tools than kustomize can read them."""
    for file in manifests.FOLDER.rglob("*.yaml"):
        assert [one for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if one]
