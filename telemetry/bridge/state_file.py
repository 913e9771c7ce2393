"""What was acknowledged, on disk: a few hundred bytes, replaced whole."""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from energy.errors import InputError
from telemetry.bridge.minutes import MinuteRange, MinuteSet

_log = logging.getLogger(__name__)

VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeState:
    """What a bridge has done.

    Attributes:
        since: the first minute that was wanted when it began.
        done: minutes whose samples the stream has acknowledged.
        log: what it wrote to, as `Producer.identity` names it; "" where that was not known.
    """

    since: int
    done: MinuteSet
    log: str = ""


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore")

    version: int
    of: str
    since: int
    done: list[tuple[int, int]]
    log: str = ""


class StateFile:
    """A file for the state of one bridge; `of` says between what it runs.

    With another Prometheus, other queries or another stream it begins anew: what was acknowledged
    there says nothing here.
    """

    def __init__(self, path: Path, *, of: str) -> None:
        self.path = path
        self._of = of

    def read(self) -> BridgeState | None:
        """Return the state; None where there is none yet, or none that can be used."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "is no text"
            _log.warning("%s cannot be read (%s): the history is read anew", self.path, why)
            return None
        try:
            found = _Document.model_validate_json(text)
            done = MinuteSet.of(MinuteRange(first, last) for first, last in found.done)
        except (ValidationError, ValueError):
            _log.warning("%s is no state of the bridge: the history is read anew", self.path)
            return None
        if found.version != VERSION or found.of != self._of:
            _log.info("%s is of other queries or another stream: begun anew", self.path)
            return None
        return BridgeState(since=found.since, done=done, log=found.log)

    def require_writable(self) -> None:
        """Refuse a place that cannot be written to before anything is read.

        Raises:
            InputError: it cannot; a folder that was missing may have been made.
        """
        if self.path.is_dir():
            raise InputError(
                "is a folder", where=str(self.path), mend="name a file with --state-file"
            )
        trial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            trial.touch()
            trial.unlink()
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"cannot be written to ({error.strerror})",
            where=str(self.path),
            mend="name another --state-file",
        )

    def write(self, state: BridgeState) -> None:
        """Replace the state; whoever reads meanwhile has the old one whole, or the new one.

        Raises:
            InputError: the place cannot be written to.
        """
        document = {
            "version": VERSION,
            "of": self._of,
            "since": state.since,
            "done": [[each.first, each.last] for each in state.done.ranges],
            "log": state.log,
        }
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as stream:
                json.dump(document, stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise self._unwritable(error) from None
