"""A real API server takes the PowerProfiles that our own reader takes, and refuses the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import repository
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiClient, ApiException, CustomObjectsApi
from kubernetes.config import new_client_from_config
from power_profile_files import document_of
from pydantic import ValidationError

from energy.errors import InputError, UnavailableError
from energy.power_profile import PowerProfile
from simulator.sandbox.control_plane import ControlPlane

DEFINITION = repository.ROOT / "helm/negawatt-crds/templates/powerprofile.yaml"
LEVELS = [52.3, 75.4, 86.6, 98.3, 112, 124, 140, 161, 178, 201, 231]
TWO = {"idle_watts": 50, "peak_watts": 150.5}


def points(*ratios: float, watts: float = 10) -> list[dict[str, float]]:
    """Return a curve's points at these utilisations."""
    return [{"utilisation_ratio": ratio, "watts": watts} for ratio in ratios]


def shortened(spec: dict[str, Any]) -> str:
    """Name a spec in a test's output."""
    return json.dumps(spec)[:70]


TAKEN = [
    TWO,
    {"load_level_watts": LEVELS},
    {"load_level_watts": [0] * 11},
    {"curve": points(0, 1)},
    {"curve": points(0, 0.1, 0.25, 0.999, 1)},
    {"curve": points(*(level / 100 for level in range(101)))},
    TWO | {"scope": "package", "trust": 0},
    TWO | {"scope": "wall", "trust": 1, "sleep_watts": 0, "wake_seconds": 0, "wake_joules": 0},
    TWO | {"shutdown_seconds": 0.5, "shutdown_joules": 1e9},
]
REFUSED = [
    {},
    {"idle_watts": 50},
    {"peak_watts": 50},
    {"idle_watts": 50, "load_level_watts": LEVELS},
    TWO | {"load_level_watts": LEVELS},
    TWO | {"curve": points(0, 1)},
    {"load_level_watts": LEVELS, "curve": points(0, 1)},
    {"idle_watts": 150, "peak_watts": 50},
    {"idle_watts": 50, "peak_watts": 50},
    {"idle_watts": 0, "peak_watts": 50},
    {"idle_watts": "50", "peak_watts": 150},
    {"idle_watts": True, "peak_watts": 150},
    {"load_level_watts": LEVELS[1:]},
    {"load_level_watts": [*LEVELS, 240]},
    {"load_level_watts": [-1, *LEVELS[1:]]},
    {"curve": []},
    {"curve": points(0)},
    {"curve": points(0.1, 1)},
    {"curve": points(0, 0.9)},
    {"curve": points(1, 0)},
    {"curve": points(0, 0.5, 0.5, 1)},
    {"curve": points(0, 0.6, 0.5, 1)},
    {"curve": points(0, 1, 1.5)},
    {"curve": points(0, 1, watts=0)},
    {"curve": [{"utilisation_ratio": 0}, {"utilisation_ratio": 1}]},
    {"curve": [*points(0), {"utilisation_ratio": 1, "watts": 5, "colour": "blue"}]},
    TWO | {"trust": 1.01},
    TWO | {"trust": -0.01},
    TWO | {"scope": "rack"},
    TWO | {"colour": "blue"},
    TWO | {"sleep_watts": -1},
    TWO | {"wake_seconds": -1},
    TWO | {"wake_joules": -1},
    TWO | {"shutdown_seconds": -1},
    TWO | {"shutdown_joules": -1},
    TWO | {"nodeSelector": {}},
    TWO | {"nodeSelector": {"rack": 7}},
]

amounts = st.one_of(
    st.sampled_from([0, 1, 50, 50.0, 150, -1, 1e12]), st.floats(-1, 1000), st.integers(-1, 1000)
)
ratios = st.one_of(st.sampled_from([0, 0.5, 1, 1.5]), st.floats(0, 1))
strange_points = st.lists(ratios, max_size=4).flatmap(
    lambda inner: st.sampled_from([inner, [0, *sorted(inner), 1], [0, *inner, 1]])
)
FIELDS = {
    "scope": st.sampled_from(["wall", "package", "Wall", ""]),
    "trust": ratios,
    "idle_watts": amounts,
    "peak_watts": amounts,
    "load_level_watts": st.lists(amounts, min_size=10, max_size=12),
    "curve": strange_points.map(lambda found: points(*found)),
    "sleep_watts": amounts,
    "wake_seconds": amounts,
    "wake_joules": amounts,
    "shutdown_seconds": amounts,
    "shutdown_joules": amounts,
}


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """A good spec in which a few fields are overwritten, or one is left out."""
    spec = dict(draw(st.sampled_from(TAKEN)))
    for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3)):
        spec[name] = draw(FIELDS[name])
    left_out = draw(st.sampled_from([None, *spec]))
    return {name: value for name, value in spec.items() if name != left_out}


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> Iterator[CustomObjectsApi]:
    """Give a client of a server that has the definition."""
    control_plane.kubectl("apply", "-f", str(DEFINITION))
    try:
        established = "--for=condition=Established"
        crd = "crd/powerprofiles.negawatt.dev"
        control_plane.kubectl("wait", established, crd, "--timeout=60s")
        client: ApiClient = new_client_from_config(str(control_plane.kubeconfig))
        yield CustomObjectsApi(client)
        client.close()
    finally:
        control_plane.kubectl("delete", "-f", str(DEFINITION), "--ignore-not-found")


def answer(api: CustomObjectsApi, document: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the server would store; None if it refuses the document as invalid."""
    try:
        return api.create_cluster_custom_object(
            "negawatt.dev",
            "v1alpha1",
            "powerprofiles",
            document,
            dry_run="All",
            field_validation="Strict",
        )
    except ApiException as error:
        if error.status not in {400, 422}:
            raise
        return None


def reading(document: dict[str, Any]) -> PowerProfile | None:
    """Return our reader's answer; None if it refuses the document."""
    try:
        profile = PowerProfile.model_validate(document)
        profile.node_profile()
    except (ValidationError, InputError):
        return None
    return profile


def document(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a whole document."""
    return document_of("one", {"example.com/rack": "7"}) | {
        "spec": {"nodeSelector": {"example.com/rack": "7"}, **spec}
    }


@pytest.mark.parametrize("spec", TAKEN, ids=shortened)
def test_what_our_reader_takes_is_taken(api: CustomObjectsApi, spec: dict[str, Any]) -> None:
    """And what is stored reads the same, the server's defaults included."""
    read = reading(document(spec))
    stored = answer(api, document(spec))
    assert read is not None
    assert stored is not None
    again = stored | {"metadata": {"name": stored["metadata"]["name"]}}
    assert PowerProfile.model_validate(again) == read


@pytest.mark.parametrize("spec", REFUSED, ids=shortened)
def test_what_our_reader_refuses_is_refused(api: CustomObjectsApi, spec: dict[str, Any]) -> None:
    """At the door, not hours later by whoever reads it."""
    assert reading(document(spec)) is None
    assert answer(api, document(spec)) is None


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(specs())
def test_both_judge_alike(api: CustomObjectsApi, spec: dict[str, Any]) -> None:
    """Whatever somebody writes: the schema and the reader agree, and on the same values."""
    read, stored = reading(document(spec)), answer(api, document(spec))
    assert (read is None) == (stored is None)
    if stored is not None:
        again = stored | {"metadata": {"name": stored["metadata"]["name"]}}
        assert PowerProfile.model_validate(again) == read


def test_refusals_say_what_is_wrong_in_the_readers_words(control_plane: ControlPlane, api) -> None:
    """One sentence, with the field where there is one."""
    wrong = {
        "give idle_watts and peak_watts, or load_level_watts, or curve, and only one": {},
        "idle_watts must be below peak_watts": {"idle_watts": 2, "peak_watts": 1},
        "utilisation_ratio must rise from point to point": {"curve": points(0, 0.5, 0.5, 1)},
        "the first utilisation_ratio is 0 and the last is 1": {"curve": points(0, 0.5)},
    }
    for sentence, spec in wrong.items():
        with pytest.raises(UnavailableError, match=sentence):
            control_plane.kubectl("create", "-f", "-", manifest=document(spec))


def test_a_profile_is_listed_by_its_short_name(control_plane: ControlPlane, api) -> None:
    """With its columns; and a condition is kept apart from what the operator wrote."""
    named = document(TWO) | {"metadata": {"name": "schema-columns"}}
    condition = {
        "type": "Accepted",
        "status": "True",
        "reason": "InUse",
        "message": "",
        "lastTransitionTime": "2026-11-22T09:00:00Z",
    }
    control_plane.kubectl("create", "-f", "-", manifest=named)
    try:
        patch = json.dumps({"status": {"conditions": [condition], "nodes_matched": 4}})
        options = ("--subresource=status", "--type=merge", f"--patch={patch}")
        control_plane.kubectl("patch", "pp", "schema-columns", *options)
        heads, row = control_plane.kubectl("get", "pp", "--output=wide").splitlines()
        shown = dict(zip(heads.split(), row.split(), strict=True))
        assert shown.pop("AGE")
        assert shown == {
            "NAME": "schema-columns",
            "SCOPE": "wall",
            "TRUST": "0.8",
            "IDLE-W": "50",
            "PEAK-W": "150.5",
            "SLEEP-W": "5",
            "ACCEPTED": "True",
            "REASON": "InUse",
        }
        condition["reason"] = "two words"
        patch = json.dumps({"status": {"conditions": [condition]}})
        with pytest.raises(UnavailableError, match="reason"):
            control_plane.kubectl("patch", "pp", "schema-columns", *options[:2], f"--patch={patch}")
    finally:
        control_plane.kubectl("delete", "pp", "schema-columns")


def test_the_documented_example_is_taken(control_plane: ControlPlane, api, tmp_path: Path) -> None:
    """The page's own YAML, as kubectl reads it."""
    page = (repository.ROOT / "docs/reference/power-profiles.md").read_text(encoding="utf-8")
    file = tmp_path / "rack-7.yaml"
    file.write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    said = control_plane.kubectl("create", "-f", str(file), "--dry-run=server", "--validate=strict")
    assert "rack-7 created" in said
