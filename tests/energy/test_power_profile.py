"""A PowerProfile file is read as documented, and anything else is named in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from power_profile_files import document_of

from energy.errors import InputError
from energy.power_profile import read_power_profiles
from energy.profile import ProfileSource, Scope

LEVELS = [52.3, 75.4, 86.6, 98.3, 112.0, 124.0, 140.0, 161.0, 178.0, 201.0, 231.0]
PAGE = Path(__file__).parents[2] / "docs/reference/power-profiles.md"


def _file(folder: Path, *documents: Any) -> Path:
    file = folder / "profiles.yaml"
    file.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return file


def test_the_documented_example_is_read_as_documented(tmp_path: Path) -> None:
    """The page's own YAML, its stated defaults included."""
    text = PAGE.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    file = tmp_path / "rack-7.yaml"
    file.write_text(text, encoding="utf-8")
    (profile,) = read_power_profiles(file)
    node = profile.node_profile()
    assert profile.matches({"example.com/rack": "7", "more": "labels"})
    assert not profile.matches({"example.com/rack": "8"})
    assert (node.trust, node.sleep_watts, node.wake_seconds) == (0.9, 5, 120)
    assert (node.wake_joules, node.shutdown_joules) == (27720, 1569)
    assert [node.curve.watts_at(level / 10) for level in range(11)] == pytest.approx(LEVELS)
    assert (node.source, node.scope) == (ProfileSource.POWER_PROFILE, Scope.WALL)


def test_json_lists_and_several_documents_are_read_alike(tmp_path: Path) -> None:
    """However many stand in a file, and in which of its forms."""
    one = document_of("one", {"a": "b"}, idle_watts=50.0, peak_watts=150.0)
    two = document_of(
        "two",
        {"a": "c"},
        curve=[
            {"utilisation_ratio": 0.0, "watts": 10.0},
            {"utilisation_ratio": 0.5, "watts": 30.0},
            {"utilisation_ratio": 1.0, "watts": 35.0},
        ],
    )
    several = read_power_profiles(_file(tmp_path, one, two))
    as_list = read_power_profiles(_file(tmp_path, {"kind": "List", "items": [one, two]}))
    file = tmp_path / "profiles.json"
    file.write_text(json.dumps([one, two]), encoding="utf-8")
    assert several == as_list == read_power_profiles(file)
    assert several[1].node_profile().curve.watts_at(0.25) == 20


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"idle_watts": 50.0},
        {"peak_watts": 50.0},
        {"idle_watts": 150.0, "peak_watts": 50.0},
        {"idle_watts": float("nan"), "peak_watts": 50.0},
        {"idle_watts": -1.0, "peak_watts": 50.0},
        {"idle_watts": "50", "peak_watts": 150.0},
        {"idle_watts": 50.0, "peak_watts": 150.0, "load_level_watts": LEVELS},
        {"load_level_watts": LEVELS[1:]},
        {"load_level_watts": [*LEVELS[:-1], float("inf")]},
        {"curve": [{"utilisation_ratio": 0.0, "watts": 1.0}]},
        {
            "curve": [
                {"utilisation_ratio": 1.0, "watts": 1.0},
                {"utilisation_ratio": 0.0, "watts": 2.0},
            ]
        },
        {"idle_watts": 50.0, "peak_watts": 150.0, "trust": 2.0},
        {"idle_watts": 50.0, "peak_watts": 150.0, "scope": "rack"},
        {"idle_watts": 50.0, "peak_watts": 150.0, "colour": "blue"},
        {"idle_watts": 50.0, "peak_watts": 150.0, "wake_seconds": -1.0},
    ],
)
def test_a_spec_that_says_nothing_or_too_much_is_refused(
    tmp_path: Path, spec: dict[str, Any]
) -> None:
    """One line, which names the file."""
    file = _file(tmp_path, document_of("one", {"a": "b"}, **spec))
    with pytest.raises(InputError, match=r"profiles\.yaml") as caught:
        read_power_profiles(file)
    assert "\n" not in str(caught.value)


def test_two_profiles_of_one_name_are_refused(tmp_path: Path) -> None:
    """A name is what reports refer to."""
    one = document_of("one", {"a": "b"}, idle_watts=50.0, peak_watts=150.0)
    with pytest.raises(InputError, match="two profiles"):
        read_power_profiles(_file(tmp_path, one, one))


def test_a_profile_that_selects_every_node_is_refused(tmp_path: Path) -> None:
    """An empty selector would overrule all that is known."""
    one = document_of("one", {}, idle_watts=50.0, peak_watts=150.0)
    with pytest.raises(InputError, match="nodeSelector"):
        read_power_profiles(_file(tmp_path, one))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_bytes_make_the_reader_fail_otherwise(tmp_path: Path, content: bytes) -> None:
    """The answer to noise is one of our errors."""
    file = tmp_path / "profiles.yaml"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_power_profiles(file)
    assert "\n" not in str(caught.value)


def test_yaml_that_builds_objects_is_refused(tmp_path: Path) -> None:
    """A profile is data: no tag runs anything."""
    file = tmp_path / "profiles.yaml"
    file.write_text("!!python/object/apply:os.system ['true']\n", encoding="utf-8")
    with pytest.raises(InputError):
        read_power_profiles(file)
