"""Folders are layers: every list of them says the same, and names and sizes stay honest."""

from __future__ import annotations

import repository

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
FORBIDDEN_NAMES = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}


def test_every_list_of_packages_names_the_folders_that_are_there() -> None:
    """A new folder that one list forgets would escape the wheel, the types or the layers."""
    tool = repository.project()["tool"]
    sdist = tool["hatch"]["build"]["targets"]["sdist"]["include"]

    lists = {
        "hatch wheel": tool["hatch"]["build"]["targets"]["wheel"]["packages"],
        "hatch sdist": [name for name in sdist if (repository.ROOT / name).is_dir()],
        "import-linter": tool["importlinter"]["root_packages"],
        "mypy": tool["mypy"]["packages"],
        "coverage": tool["coverage"]["run"]["source_pkgs"],
    }

    assert {name: sorted(found) for name, found in lists.items()} == dict.fromkeys(
        lists, repository.packages()
    )


def test_every_package_has_its_place_among_the_layers() -> None:
    """The layers contract knows each package, once."""
    contracts = repository.project()["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")

    placed = [name.strip() for layer in layers for name in layer.split("|")]

    assert sorted(placed) == repository.packages()


def test_no_module_has_a_name_that_says_nothing() -> None:
    """A module is named after its subject, or it becomes a drawer."""
    nameless = [
        repository.relative(file)
        for file in repository.python_files()
        if FORBIDDEN_NAMES & {*file.relative_to(repository.ROOT).parent.parts, file.stem}
        or file.stem.rpartition("_")[2] in FORBIDDEN_NAMES - {"base", "common"}
    ]

    assert nameless == []


def test_no_file_is_longer_than_a_head_can_hold() -> None:
    """Five hundred lines is the hard limit; most files have fewer than two hundred."""
    lengths = {
        repository.relative(file): len(file.read_text(encoding="utf-8").splitlines())
        for file in repository.python_files()
    }

    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    """Seventy lines is the hard limit; most functions have fewer than thirty-five."""
    long = {
        f"{repository.relative(file)}: {name}": lines
        for file in repository.python_files()
        for name, lines in repository.functions(file)
        if lines > FUNCTION_LINES_MAX
    }

    assert long == {}


def test_every_module_says_what_it_answers() -> None:
    """The first lines of a module promise something; an empty package marker need not."""
    silent = [
        repository.relative(file)
        for file in repository.python_files()
        if (text := file.read_text(encoding="utf-8")).strip()
        and not text.lstrip().startswith(('"""', "#!"))
    ]

    assert silent == []


def test_tests_mirror_the_packages() -> None:
    """A test lies in a folder named after the package it tests, or after a kind of test."""
    kinds = {"architecture", "deploy", "docs", "e2e", "helm", "integration", *repository.packages()}
    paths = [
        file.relative_to(repository.ROOT)
        for file in repository.python_files()
        if file.name.startswith("test_")
    ]

    assert [str(path) for path in paths if path.parts[0] != "tests"] == []
    assert {path.parts[1] for path in paths} <= kinds
