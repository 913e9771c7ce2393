"""The recipe says what is built, each version in one place."""

from __future__ import annotations

import shutil
from pathlib import Path

import components
import pytest
from toolchain.recipe import RECIPE_FILES, Kind, Recipe, RecipeError, dependency_version

FOLDER = components.CHECKOUT / "deploy/local"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Give a copy of the recipe that a test may change."""
    for name in RECIPE_FILES:
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(FOLDER / name, target)
    return tmp_path


def test_recipe_names_every_component_that_is_promised() -> None:
    """Nothing of the sandbox, the chart tests or the load tests is left out."""
    recipe = Recipe.read(FOLDER)

    assert {component.name for component in recipe.components} >= {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
        "kwok",
        "kwokctl",
        "metrics-server",
        "helm",
        "kubeconform",
        "kafka",
        "jmeter",
    }


def test_versions_come_from_the_files_that_pin_them(copied: Path) -> None:
    """A version raised in go.mod or a pom is the component's version, and the linker's too."""
    go_mod = copied / "kubernetes/go.mod"
    go_mod.write_text(go_mod.read_text().replace("v1.36.4", "v1.37.1"))
    pom = copied / "jmeter/pom.xml"
    pom.write_text(pom.read_text().replace("5.6.3", "5.7.0"))

    by_name = {component.name: component for component in Recipe.read(copied).components}

    assert by_name["kube-apiserver"].version == "1.37.1"
    assert by_name["jmeter"].version == "5.7.0"
    assert "k8s.io/component-base/version.gitMinor=37" in by_name["kubectl"].link_values
    assert "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37" in by_name["helm"].link_values
    assert by_name["etcd"].version == "3.6.8"


def test_every_installed_module_is_pinned_by_a_checksum() -> None:
    """A module that is built by name and version alone could be another one tomorrow."""
    recipe = Recipe.read(FOLDER)
    installed = [one for one in recipe.components if one.kind is Kind.GO_INSTALL]

    assert [one.name for one in installed if not one.module_sum.startswith("h1:")] == []


@pytest.mark.parametrize("name", RECIPE_FILES)
def test_key_changes_with_every_file_of_the_recipe(copied: Path, name: str) -> None:
    """A toolchain is never taken for one that was built from other files."""
    before = Recipe.read(copied).key("go1.26.8")
    with (copied / name).open("a") as file:
        file.write("\n")

    assert Recipe(folder=copied, components=(), go_version_minimum="1").key("go1.26.8") != before


def test_key_depends_on_go_and_not_on_the_place(copied: Path) -> None:
    """Two checkouts share a toolchain; two Go versions do not."""
    here, there = Recipe.read(FOLDER), Recipe.read(copied)

    assert here.key("go1.26.8") == there.key("go1.26.8") != there.key("go1.27.0")


def test_dependency_that_is_not_in_the_pom_is_named(copied: Path) -> None:
    """A renamed artefact fails with the file and the name."""
    with pytest.raises(RecipeError, match=r"jmeter/pom\.xml: has no dependency ApacheBench"):
        dependency_version(copied / "jmeter/pom.xml", "ApacheBench")


@pytest.mark.parametrize("text", ["", "[modules]\n", "nonsense", "[modules]\ncomponents = 7\n"])
def test_unreadable_recipe_is_one_line(copied: Path, text: str) -> None:
    """A broken toolchain.toml is reported, not traced back."""
    (copied / "toolchain.toml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        Recipe.read(copied)

    assert "\n" not in str(caught.value)
    assert str(copied) in str(caught.value)
