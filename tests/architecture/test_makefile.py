"""The menu names what exists."""

from __future__ import annotations

import re
import subprocess

import repository

MAKEFILE = repository.ROOT / "Makefile"
# A path with a folder and a suffix of a script, or a module run by `-m` after `cd folder`.
SCRIPT = re.compile(r"(?<![\w$({/])((?:[\w.-]+/)+[\w.*-]+\.(?:py|sh))\b")
MODULE = re.compile(r"cd (\S+) && \S+ -m ([\w.]+)")


def recipes() -> str:
    """Return the commands of all targets."""
    lines = MAKEFILE.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith("\t"))


def test_every_script_that_a_target_runs_exists() -> None:
    """A target that calls a script which is gone fails only when somebody needs it."""
    named = [name for name in SCRIPT.findall(recipes()) if "*" not in name]
    missing = [name for name in named if not (repository.ROOT / name).is_file()]

    assert missing == []


def test_every_module_that_a_target_runs_exists() -> None:
    """`cd deploy/local && python -m toolchain` has a folder, a package and a main module."""
    modules = MODULE.findall(recipes())

    assert modules
    for folder, module in modules:
        assert (repository.ROOT / folder / module.replace(".", "/") / "__main__.py").is_file()


def test_every_phony_target_has_a_rule_and_a_line_in_the_menu() -> None:
    """What `make help` prints is what there is."""
    text = MAKEFILE.read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY:(.*)$", text, re.MULTILINE)[0].split())
    rules = set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))
    menu = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=repository.ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert phony == rules
    assert all(f"make {target} " in menu for target in phony)
