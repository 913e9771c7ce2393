"""Every link in the documents leads somewhere, and no file but the lock names a registry."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import repository
from markdown_it import MarkdownIt

DOCUMENTS = [file for file in repository.known_files() if file.suffix == ".md"]
# Settings that point a package client at a registry; an address belongs to the machine, not here.
CLIENT_SETTING = re.compile(
    r"--(?:extra-)?index-url|GOPROXY=http|<(?:mirror|repository)>|npm config set registry"
)


def links(text: str) -> list[str]:
    """Return the targets of all links and pictures in a Markdown text."""
    found = []
    for block in MarkdownIt("commonmark").enable("table").parse(text):
        for token in block.children or []:
            target = token.attrs.get("href") or token.attrs.get("src")
            if target:
                found.append(str(target))
    return found


def anchors(text: str) -> set[str]:
    """Return the names that a page's headings can be linked by, as GitHub forms them."""
    tokens = MarkdownIt("commonmark").parse(text)
    headings = [
        following.content for token, following in pairwise(tokens) if token.type == "heading_open"
    ]
    return {anchor(heading) for heading in headings}


def anchor(heading: str) -> str:
    """Return the name of one heading: lower case, punctuation gone, blanks as hyphens."""
    plain = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).lower().strip()
    kept = (c for c in plain if c in "-_ " or unicodedata.category(c)[0] in "LNM")
    return "".join(kept).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=repository.relative)
def test_every_relative_link_resolves(document: Path) -> None:
    """A page that moved takes its links along."""
    broken = []
    for link in links(document.read_text(encoding="utf-8")):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (document.parent / unquote(parts.path)).resolve() if parts.path else document
        if not target.exists() or repository.ROOT not in (target, *target.parents):
            broken.append(link)
        elif parts.fragment and target.suffix == ".md":
            named = anchors(target.read_text(encoding="utf-8"))
            broken += [link] if parts.fragment not in named else []

    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    """A page that nobody links to is a page that nobody reads."""
    start = repository.ROOT / "README.md"
    reached, waiting = {start}, [start]
    while waiting:
        page = waiting.pop()
        for link in links(page.read_text(encoding="utf-8")):
            parts = urlsplit(link)
            target = (page.parent / unquote(parts.path)).resolve()
            if not parts.scheme and target in DOCUMENTS and target not in reached:
                reached.add(target)
                waiting.append(target)

    pages = {file for file in DOCUMENTS if file.is_relative_to(repository.ROOT / "docs")}
    assert sorted(repository.relative(page) for page in pages - reached) == []


def test_a_broken_link_would_be_found() -> None:
    """The checks above do see links and headings."""
    text = "# One, two: `three`\n\n[a](b.md#c) ![d](e.png)\n\n|f|\n|-|\n|[g](h)|\n"

    assert links(text) == ["b.md#c", "e.png", "h"]
    assert anchors(text) == {"one-two-three"}


def test_only_the_lock_file_names_a_package_registry() -> None:
    """Whose registry is used is the machine's business; the lock file's format insists."""
    lock = (repository.ROOT / "uv.lock").read_text()
    # The hosts are read from the lock file, so that this test need not name them either.
    hosts = {urlsplit(address).netloc for address in re.findall(r'"(https?://[^"]+)"', lock)}
    assert hosts

    found = {}
    for file in repository.known_files():
        if file.name == "uv.lock":
            continue
        text = file.read_bytes().decode("utf-8", errors="replace")
        named = {host for host in hosts if host in text}
        settings = set() if file == Path(__file__).resolve() else set(CLIENT_SETTING.findall(text))
        if named or settings:
            found[repository.relative(file)] = named | settings

    assert found == {}
