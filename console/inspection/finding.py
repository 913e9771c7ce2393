"""One thing that was looked for: whether it is there, what it is for, how to get it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What was found."""

    PRESENT = "present"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The answer to one question.

    Attributes:
        found: what is there (a version, a path), or what is wrong with it.
        enables: what one can do with it, or could if it were there.
        get: how to get or mend it.
        optional: whether everything in the README works without it.
    """

    topic: str
    name: str
    state: State
    found: str
    enables: str
    get: str
    optional: bool = False

    def as_json(self) -> dict[str, object]:
        """Give the finding as JSON-ready values; nothing to get is an empty text."""
        return {
            "topic": self.topic,
            "name": self.name,
            "state": self.state.value,
            "found": self.found,
            "enables": self.enables,
            "get": self.get if self.state is not State.PRESENT else "",
            "optional": self.optional,
        }


def lacking(findings: Sequence[Finding]) -> list[Finding]:
    """Give those that are not there or broken, the ones that matter most first."""
    found = [finding for finding in findings if finding.state is not State.PRESENT]
    return sorted(found, key=lambda finding: finding.optional)


def one_line(text: str) -> str:
    """Put a text of several lines into one."""
    return " ".join(text.split())


def dotted(version: Sequence[int]) -> str:
    """Write a version as one reads it: (3, 11) as `3.11`."""
    return ".".join(map(str, version))
