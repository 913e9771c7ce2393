"""Where the real components lie that `make toolchain` builds, and which of them are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from energy.errors import UnavailableError

HOW_TO_GET = "run `make toolchain` in a checkout of Negawatt"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltComponent:
    """One finished component, as its stamp describes it.

    Attributes:
        answers: arguments that make the program print its version; empty for what is no program.
        paths: what it consists of, absolute.
    """

    name: str
    kind: str
    version: str
    answers: tuple[str, ...]
    paths: tuple[Path, ...]

    @property
    def is_whole(self) -> bool:
        """Whether everything it consists of is there."""
        return all(path.exists() for path in self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """The folder of one build, links resolved: a build in the meantime changes nothing in it."""

    folder: Path

    @classmethod
    def found(cls, environ: Mapping[str, str]) -> Toolchain:
        """Find the current toolchain: $NEGAWATT_CACHE/toolchain/current.

        NEGAWATT_CACHE defaults to negawatt/ in $XDG_CACHE_HOME or ~/.cache.

        Raises:
            UnavailableError: there is none.
        """
        current = cache_folder(environ) / "toolchain" / "current"
        if not current.is_dir():
            raise UnavailableError(
                "there is no toolchain (Kubernetes, KWOK, Kafka, JMeter)",
                where=str(current),
                mend=HOW_TO_GET,
            )
        return cls(folder=current.resolve())

    def components(self) -> dict[str, BuiltComponent]:
        """Read the stamps of the components that were built; name -> component."""
        found = {}
        for stamp in sorted((self.folder / "stamps").glob("*.json")):
            facts = json.loads(stamp.read_text(encoding="utf-8"))
            found[facts["name"]] = BuiltComponent(
                name=facts["name"],
                kind=facts["kind"],
                version=facts["version"],
                answers=tuple(facts["answers"]),
                paths=tuple(self.folder / path for path in facts["paths"]),
            )
        return found

    def program(self, name: str) -> Path:
        """Give the path of a program such as `kubectl`.

        Raises:
            UnavailableError: it was not built.
        """
        return self._existing(f"bin/{name}", name)

    def shared(self, relative: str) -> Path:
        """Give a file or folder of share/, such as `kwok/metrics-resource.yaml`.

        Raises:
            UnavailableError: it was not built.
        """
        return self._existing(f"share/{relative}", relative)

    def home(self, name: str) -> Path:
        """Give the folder of what Maven fetched: `kafka` (lib/*.jar) or `jmeter` (bin, lib).

        Raises:
            UnavailableError: it was not fetched.
        """
        return self._existing(name, name)

    def _existing(self, relative: str, name: str) -> Path:
        path = self.folder / relative
        if not path.exists():
            raise UnavailableError(
                f"the toolchain has no {name}", where=str(self.folder), mend=HOW_TO_GET
            )
        return path


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Give Negawatt's cache folder; the same rule as the toolchain's builder has."""
    if chosen := environ.get("NEGAWATT_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "negawatt"
