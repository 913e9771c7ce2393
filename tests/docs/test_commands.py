"""Every command that a page tells people to type exists, with the options that it is given."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec

import pytest
import repository
import typer
from markdown_it import MarkdownIt

from console.cli import app

PAGES = [file for file in repository.known_files() if file.suffix == ".md"]
HELP = {"--help", "-h"}
NEGAWATT = {"negawatt", ".venv/bin/negawatt"}


def texts(markdown: str) -> list[str]:
    """Code of a page: spans, and the lines of blocks, those that go on joined."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type in {"fence", "code_block"}:
            lines = token.content.replace("\\\n", " ").splitlines()
            # A console shows output below what was typed.
            found += [line for line in lines if token.info != "console" or line.startswith("$ ")]
        found += [child.content for child in token.children or [] if child.type == "code_inline"]
    return [text.strip().removeprefix("$ ") for text in found]


def commands(markdown: str) -> list[list[str]]:
    """What is typed, as words; what is no line of a shell is left out."""
    found = []
    for text in texts(markdown):
        try:
            found.append(shlex.split(text, comments=True))
        except ValueError:
            continue
    return [words for words in found if words]


def unknown(words: list[str]) -> list[str]:
    """Subcommands and options that `negawatt` does not have."""
    command = typer.main.get_command(app)
    context = command.make_context("negawatt", [], resilient_parsing=True)
    problems = []
    for word in words:
        if hasattr(command, "commands") and not word.startswith("-"):
            following = command.get_command(context, word)
            if following is None:
                return [word]
            command = following
        elif word.startswith("-"):
            if hasattr(command, "commands") and word not in HELP:
                # `negawatt extender --mode act` is that of `run`.
                command = command.get_command(context, "run") or command
            options = {name for one in command.params for name in one.opts} | HELP
            problems += [] if word.partition("=")[0] in options else [word]
    return problems


@pytest.mark.parametrize("page", PAGES, ids=repository.relative)
def test_every_negawatt_command_of_a_page_exists(page):
    """A subcommand or a flag that was renamed is renamed in the pages too."""
    typed = [words for words in commands(page.read_text("utf-8")) if words[0] in NEGAWATT]
    wrong = {" ".join(words): unknown(words[1:]) for words in typed}

    assert {text: problems for text, problems in wrong.items() if problems} == {}


def test_every_target_and_module_of_the_pages_exists():
    """`make TARGET` has a rule, `python -m MODULE` a module, `python FILE` a file."""
    makefile = (repository.ROOT / "Makefile").read_text("utf-8")
    rules = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    missing = set()
    for page in PAGES:
        for program, *rest in commands(page.read_text("utf-8")):
            if program == "make" and rest and re.fullmatch("[a-z-]+", rest[0]):
                missing |= {rest[0]} - rules
            elif program.endswith("python") and rest[:1] == ["-m"]:
                missing |= set() if find_spec(rest[1].partition(".")[0]) else {rest[1]}
            elif program.endswith("bin/python") and rest and rest[0].endswith(".py"):
                missing |= set() if (repository.ROOT / rest[0]).is_file() else {rest[0]}

    assert missing == set()


def test_a_command_that_does_not_exist_would_be_found():
    """The walk knows groups, commands and their options."""
    assert unknown(["energy", "cheaper"]) == ["cheaper"]
    assert unknown(["sandbox", "up", "--node", "3"]) == ["--node"]
    assert unknown(["extender", "--mode", "act"]) == []
    assert unknown(["extender", "run", "--mood", "act"]) == ["--mood"]
    assert commands("a `negawatt demo`\n\n    negawatt sandbox \\\n        up  # now\n") == [
        ["negawatt", "demo"],
        ["negawatt", "sandbox", "up"],
    ]
