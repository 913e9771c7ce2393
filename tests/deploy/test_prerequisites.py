"""What is missing is said first, one line each, with how to get it."""

from __future__ import annotations

from pathlib import Path

import components
import pytest
from toolchain.prerequisites import look_for, numbers
from toolchain.recipe import Recipe

RECIPE = Recipe.read(components.CHECKOUT / "deploy/local")


def program(folder: Path, name: str, script: str) -> None:
    """Put a small program on a PATH of our own."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def lacks(path: Path) -> tuple[str, ...]:
    """Say what is missing when PATH holds one folder only."""
    tools = look_for(RECIPE.components, go_version_minimum="1.26.0", environ={"PATH": str(path)})
    return tools.missing


def test_empty_machine_is_told_of_all_three_at_once(tmp_path: Path) -> None:
    """Nobody should install one thing only to hear of the next."""
    missing = lacks(tmp_path)

    assert [line.partition(":")[0] for line in missing] == ["go", "mvn", "java"]
    assert all(
        "\n" not in line and ("apt-get install" in line or "https://" in line) for line in missing
    )


def test_old_go_and_old_java_are_named_with_their_versions(tmp_path: Path) -> None:
    """Debian's own Go and an old Java are the usual cases."""
    program(tmp_path, "go", "echo go1.19.8")
    program(tmp_path, "mvn", "true")
    program(tmp_path, "java", "echo 'openjdk version \"11.0.20\" 2023-07-18' >&2")

    missing = lacks(tmp_path)

    assert len(missing) == 2
    assert "go1.19.8" in missing[0]
    assert "1.26.0" in missing[0]
    assert '"11.0.20"' in missing[1]


def test_sufficient_programs_are_found(tmp_path: Path) -> None:
    """The versions compare as numbers: 1.26.10 is later than 1.26.9, Java 21 than 17."""
    program(tmp_path, "go", "echo go1.26.10")
    program(tmp_path, "mvn", "true")
    program(tmp_path, "java", "echo 'openjdk version \"21\" 2023-09-19' >&2")
    tools = look_for(
        RECIPE.components, go_version_minimum="1.26.9", environ={"PATH": str(tmp_path)}
    )

    assert tools.missing == ()
    assert (tools.go, tools.go_version) == (str(tmp_path / "go"), "go1.26.10")
    assert tools.maven == str(tmp_path / "mvn")


def test_only_what_the_chosen_components_need_is_asked_for(tmp_path: Path) -> None:
    """Kafka alone needs no Go."""
    kafka = [component for component in RECIPE.components if component.name == "kafka"]
    tools = look_for(kafka, go_version_minimum="1.26.0", environ={"PATH": str(tmp_path)})

    assert [line.partition(":")[0] for line in tools.missing] == ["mvn", "java"]


@pytest.mark.parametrize(
    ("version", "expected"),
    [("go1.26.8", (1, 26, 8)), ("1.26.0", (1, 26, 0)), ("go1.27-devel_abc123", (1, 27)), ("", ())],
)
def test_version_texts_become_numbers(version: str, expected: tuple[int, ...]) -> None:
    """Suffixes of development versions do not count."""
    assert numbers(version) == expected
