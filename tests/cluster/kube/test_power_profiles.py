"""PowerProfiles as custom resources: followed, doubted, or not installed yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random

import pytest
import yaml
from kubernetes.client import ApiextensionsV1Api, CustomObjectsApi
from lone_api_server import LoneApiServer
from repository import ROOT
from scripted_api import ScriptedApi, status

from cluster.kube.client import KubeClient, connect
from cluster.kube.errors import ForbiddenError
from cluster.kube.power_profiles import PowerProfileObserver, read_power_profile
from cluster.kube.settings import KubeSettings, WatchSettings
from simulator.sandbox.toolchain import Toolchain

DEFINITION = ROOT / "helm" / "negawatt-crds" / "templates" / "powerprofile.yaml"
PATIENCE_SECONDS = 60.0
QUICK = WatchSettings(backoff_initial_seconds=0.05, backoff_max_seconds=0.2)
GROUP, VERSION, PLURAL = "negawatt.dev", "v1alpha1", "powerprofiles"


def profile(name: str = "r740", **spec: object) -> dict[str, object]:
    """Return a PowerProfile as a person writes it."""
    watts = {} if "curve" in spec else {"idle_watts": 100, "peak_watts": 400.5}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "PowerProfile",
        "metadata": {"name": name},
        "spec": {"nodeSelector": {"type": name}, **watts, **spec},
    }


def served(document: dict[str, object]) -> dict[str, object]:
    """Return the document as the API server gives it back."""
    metadata = {
        "name": "r740",
        "uid": "1",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2026-11-22T08:30:00Z",
        "managedFields": [{"manager": "kubectl"}],
        "labels": {"team": "a"},
    }
    return document | {"metadata": metadata, "status": {"conditions": []}}


def test_what_the_server_adds_does_not_make_a_profile_unreadable() -> None:
    """A resource is read as the same document in a file."""
    reading = read_power_profile(served(profile()))

    assert reading.doubts == ()
    assert reading.value is not None
    assert reading.value.metadata.name == "r740"
    assert reading.value.metadata.labels == {"team": "a"}
    assert reading.value.spec.peak_watts == 400.5


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (profile(idle_watts=500), "idle_watts must be below peak_watts"),
        (profile(hue="blue"), "spec.hue"),
        (profile(curve=[{"utilisation_ratio": 0.5, "watts": 1}]), "PowerProfile r740"),
        ({"metadata": {"name": "r740"}}, "PowerProfile r740"),
        ({"metadata": "none", "spec": 3}, "PowerProfile"),
        ({}, "PowerProfile"),
    ],
)
def test_a_resource_that_is_no_profile_is_a_doubt_of_one_line(item, words) -> None:
    """It names the resource, and nothing is raised."""
    reading = read_power_profile(item)

    assert reading.value is None
    (doubt,) = reading.doubts
    assert words in doubt
    assert "\n" not in doubt


def test_a_permission_that_is_missing_is_told(api: ScriptedApi, client: KubeClient) -> None:
    """Unlike a missing kind, somebody has to mend that."""
    said = status(403, "Forbidden", 'User "system:serviceaccount:negawatt:extender" cannot list')
    api.lists.append(lambda request: request.answer(403, said))

    with PowerProfileObserver(client, rng=Random(1), settings=QUICK) as observer:
        with pytest.raises(ForbiddenError, match=r'apiGroups: \["negawatt.dev"\]'):
            observer.wait_until_known(timeout_seconds=PATIENCE_SECONDS)
        observed = observer.observe()

    assert isinstance(observed.error, ForbiddenError)
    assert observed.installed


def test_a_missing_kind_is_logged_once(api: ScriptedApi, client: KubeClient, caplog) -> None:
    """It is asked for again and again, in silence."""
    said = status(404, "NotFound", "the server could not find the requested resource")
    api.lists.append(lambda request: request.answer(404, said))

    with PowerProfileObserver(client, rng=Random(1), settings=QUICK) as observer:
        until(lambda: len(api.requests) > 3)
        observed = observer.observe()

    assert not observed.installed
    assert observed.error is None
    assert len(caplog.records) == 1


@pytest.fixture(scope="module")
def server(
    toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoneApiServer]:
    """Give an API server of this module's own: the kind is installed and removed."""
    with LoneApiServer(toolchain, tmp_path_factory.mktemp("profiles")) as running:
        yield running


@pytest.fixture
def live(server: LoneApiServer) -> Iterator[KubeClient]:
    """Return a client of it."""
    client = connect(KubeSettings(kubeconfig=server.kubeconfig), environment={})
    yield client
    client.close()


def until(met: Callable[[], bool]) -> None:
    """Wait for what happens in the API server's own time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.kube
def test_profiles_are_followed_from_before_their_kind_exists(live: KubeClient) -> None:
    """Install the kind, create, change, break, delete, remove the kind, install it again."""
    kinds, objects = ApiextensionsV1Api(live.api), CustomObjectsApi(live.api)
    definition = yaml.safe_load(DEFINITION.read_text())
    lenient = _without_validation(definition)

    with PowerProfileObserver(live, rng=Random(1), settings=QUICK) as observer:

        def watts() -> dict[str, float | None]:
            return {one.metadata.name: one.spec.peak_watts for one in observer.observe().profiles}

        observer.wait_until_known(timeout_seconds=PATIENCE_SECONDS)
        assert not observer.observe().installed
        assert watts() == {}

        kinds.create_custom_resource_definition(lenient)
        until(lambda: observer.observe().installed and observer.observe().error is None)
        _create(objects, profile("r740"))
        until(lambda: watts() == {"r740": 400.5})

        objects.patch_cluster_custom_object(
            GROUP, VERSION, PLURAL, "r740", {"spec": {"peak_watts": 410}}
        )
        until(lambda: watts() == {"r740": 410})
        _create(objects, profile("broken", idle_watts=500))
        until(lambda: bool(observer.observe().doubts))
        assert observer.observe().doubts[0].startswith("PowerProfile broken: ")
        assert watts() == {"r740": 410}

        objects.delete_cluster_custom_object(GROUP, VERSION, PLURAL, "r740")
        until(lambda: watts() == {})

        kinds.delete_custom_resource_definition(definition["metadata"]["name"])
        until(lambda: not observer.observe().installed)
        assert observer.observe().doubts == ()
        until(lambda: _install(kinds, definition))
        _create(objects, profile("r750"))
        until(lambda: watts() == {"r750": 400.5})
        assert observer.observe().doubts == ()


def _create(objects: CustomObjectsApi, document: dict[str, object]) -> None:
    """Create a profile; the kind is served a moment after it is installed."""

    def created() -> bool:
        try:
            objects.create_cluster_custom_object(GROUP, VERSION, PLURAL, document)
        except Exception as error:
            if getattr(error, "status", None) != 404:
                raise
            return False
        return True

    until(created)


def _install(kinds: ApiextensionsV1Api, definition: dict[str, object]) -> bool:
    """Install the kind again, once the old one is gone."""
    try:
        kinds.create_custom_resource_definition(definition)
    except Exception as error:
        if getattr(error, "status", None) != 409:
            raise
        return False
    return True


def _without_validation(definition: dict) -> dict:
    """Return the kind as somebody may have installed it, who lets everything in."""
    copy = yaml.safe_load(yaml.safe_dump(definition))
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    copy["spec"]["versions"][0]["schema"] = {"openAPIV3Schema": anything}
    return copy
