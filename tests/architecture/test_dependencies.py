"""What is imported is declared, and serving stays small."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
import repository

TRAINING = {"energy-training", "forecaster-training"}
# Hundreds of megabytes that no image which serves may carry.
HEAVY = {"tensorflow", "keras", "torch", "lightgbm", "scikit-learn", "xgboost"}


def name_of(requirement: str) -> str:
    """Return the distribution that a requirement names, in its normal form."""
    name = re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    """Return all distributions that the project's own dependencies and extras name."""
    project = repository.project()["project"]
    extras = project["optional-dependencies"].values()
    return {name_of(one) for one in (*project["dependencies"], *(r for e in extras for r in e))}


def imported_modules(package: str) -> dict[str, set[str]]:
    """Return top-level modules that a package imports, and where."""
    found: dict[str, set[str]] = {}
    for file in (repository.ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.partition(".")[0], set()).add(repository.relative(file))
    return found


@pytest.mark.parametrize("package", repository.packages())
def test_every_library_that_is_imported_is_declared(package: str) -> None:
    """What comes along with another library today may be gone tomorrow."""
    distributions = packages_distributions()
    ours = {*repository.packages(), *sys.stdlib_module_names}

    undeclared = {
        module: sorted(places)
        for module, places in imported_modules(package).items()
        if module not in ours
        and not {name_of(one) for one in distributions.get(module, [module])} & declared()
    }

    assert undeclared == {}


def locked() -> dict[str, dict]:
    """Return the lock file's packages by name, with the needs of all their versions."""
    lock = tomllib.loads((repository.ROOT / "uv.lock").read_text())
    merged: dict[str, dict] = {}
    for package in lock["package"]:
        known = merged.setdefault(package["name"], {"dependencies": [], "optional": {}})
        known["dependencies"] += package.get("dependencies", [])
        for extra, needs in package.get("optional-dependencies", {}).items():
            known["optional"].setdefault(extra, []).extend(needs)
    return merged


def closure(extra: str | None) -> set[str]:
    """Return everything that installing `negawatt[extra]` installs, by the lock file."""
    packages = locked()
    root = packages["negawatt"]
    waiting = [*root["dependencies"], *(root["optional"][extra] if extra else [])]
    seen: set[tuple[str, str]] = set()
    while waiting:
        need = waiting.pop()
        for wanted in ("", *need.get("extra", [])):
            if (need["name"], wanted) in seen:
                continue
            seen.add((need["name"], wanted))
            package = packages[need["name"]]
            waiting += package["optional"].get(wanted, []) if wanted else package["dependencies"]
    return {name for name, _ in seen}


SERVING = sorted({*repository.project()["project"]["optional-dependencies"]} - TRAINING)


@pytest.mark.parametrize("extra", [None, *SERVING], ids=str)
def test_serving_installs_no_training_library(extra: str | None) -> None:
    """The lock file's closure of each serving extra holds none of the heavy ones."""
    assert closure(extra) & HEAVY == set()


def test_the_closure_would_find_a_training_library() -> None:
    """The search that comes up empty above does find TensorFlow where it belongs."""
    assert "tensorflow" in closure("forecaster-training")
    assert "scikit-learn" in closure("energy-training")


def test_an_extra_brings_what_it_promises() -> None:
    """Each extra's own requirements are in its closure, so the walk starts where it should."""
    extras = repository.project()["project"]["optional-dependencies"]

    assert all({name_of(one) for one in extras[extra]} <= closure(extra) for extra in SERVING)
