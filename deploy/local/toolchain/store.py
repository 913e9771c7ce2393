"""Where the toolchain lies: a cache outside the tree, a folder per recipe, a stamp per component.

$NEGAWATT_CACHE/toolchain/<key>/{bin,share,kafka,jmeter}    what was built
                          <key>/stamps/<component>.json      that, and what, it was built
                          <key>/logs/<component>.log         what the tools said
                          current -> <key>                   what the tests and the sandbox use
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolchain.recipe import Component


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Give the cache folder: NEGAWATT_CACHE, or ~/.cache/negawatt (XDG_CACHE_HOME is honoured)."""
    if chosen := environ.get("NEGAWATT_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "negawatt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One toolchain's folder."""

    folder: Path

    def partial(self, component: Component) -> Path:
        """Make an empty folder to build in; what it holds counts for nothing until it is moved."""
        folder = self.folder / "partial" / component.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def log(self, component: Component) -> Path:
        """Give the file that the component's tools write to."""
        logs = self.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        return logs / f"{component.name}.log"

    def place(self, built: Path, relative: str) -> None:
        """Move a finished file or folder to its place, replacing what is there."""
        target = self.folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            # A folder cannot replace a folder that is not empty; the stamp is gone by now, so
            # that an interruption between these two lines leads to a new build.
            shutil.rmtree(target)
        built.replace(target)

    def is_ready(self, component: Component) -> bool:
        """Whether the component was built to its end and everything it consists of is there."""
        try:
            stamp = json.loads(self._stamp(component).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return stamp["version"] == component.version and all(
            (self.folder / path).exists() for path in stamp["paths"]
        )

    def unstamp(self, component: Component) -> None:
        """Forget that the component was built."""
        self._stamp(component).unlink(missing_ok=True)

    def stamp(self, component: Component, *, paths: Sequence[str], seconds: float) -> None:
        """Write down that the component is complete; `paths` are relative to the folder."""
        facts = {
            "name": component.name,
            "kind": component.kind.value,
            "version": component.version,
            "answers": component.answers,
            "paths": list(paths),
            "build_seconds": round(seconds, 1),
        }
        stamp = self._stamp(component)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        written = stamp.with_suffix(".part")
        written.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        written.replace(stamp)

    def make_current(self) -> Path:
        """Point `current`, beside the folder, at it; the change is a single rename."""
        link = self.folder.parent / "current"
        fresh = link.with_name(f".current.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self.folder.name)
        fresh.replace(link)
        return link

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Keep a second builder out; gives whether this one had to wait for another."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                waited = False
            except BlockingIOError:
                fcntl.flock(lock, fcntl.LOCK_EX)
                waited = True
            yield waited

    def _stamp(self, component: Component) -> Path:
        return self.folder / "stamps" / f"{component.name}.json"
