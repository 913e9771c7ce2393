"""Versions of the models: who serves, who challenges, who served before, and why.

A version is a folder under the models' directory, named for it; `shipped` is the one that came
with the package and is always there. `registry.json` says what became of them. Every process of a
group, and `negawatt forecaster rollback`, may change it: each change is made under a lock, on what
the file says then.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from energy.errors import InputError

SHIPPED: Final = "shipped"
FILE: Final = "registry.json"
HISTORY_MAX: Final = 200
DESCRIPTION: Final = "model.json"
#: As `forecaster.retraining` names what it trained.
_TRAINED: Final = re.compile(r"\d{8}-\d{6}-\d+")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

Action = Literal["challenge", "promote", "dismiss", "roll-back"]


class Event(BaseModel):
    """One change of who serves or challenges."""

    model_config = ConfigDict(frozen=True)

    at_seconds: float
    action: Action
    version: str
    replaced: str | None = None
    reason: str


class RegistryState(BaseModel):
    """What `registry.json` says.

    Attributes:
        champion: the version that serves.
        previous: the one that served before it; what a rollback without a name goes back to.
        challenger: the one that forecasts in the shadow.
        last_training_seconds: when a training was begun last, Unix time.
        history: changes, the newest last.
    """

    model_config = ConfigDict(frozen=True)

    champion: str = SHIPPED
    previous: str | None = None
    challenger: str | None = None
    last_training_seconds: float | None = None
    history: tuple[Event, ...] = ()


class Registry:
    """The models' directory. Each call reads or changes the file; safe between processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / FILE

    def require_folder(self) -> None:
        """Refuse what is no folder; there may be none yet.

        Raises:
            InputError: something else is there, or in its way.
        """
        try:
            there = next(each for each in (self.folder, *self.folder.parents) if each.exists())
            is_folder = there.is_dir()
        except (OSError, StopIteration):
            return  # whoever reads it says what it is
        if not is_folder:
            raise InputError(
                "is no folder", where=str(there), mend="give --models-directory a folder"
            )

    def state(self) -> RegistryState:
        """What is so now; without a file the shipped version serves.

        Raises:
            InputError: the file cannot be read, or is none of ours.
        """
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return RegistryState()
        except OSError as error:
            raise InputError(
                f"cannot be read ({error.strerror})",
                where=str(self._path),
                mend="give --models-directory a folder that can be read",
            ) from None
        try:
            return RegistryState.model_validate_json(text)
        except ValidationError as error:
            what = error.errors(include_url=False)[0]["msg"]
            raise InputError(
                f"is no registry of models ({what})",
                where=str(self._path),
                mend="remove it; the shipped models then serve",
            ) from None

    def versions(self) -> tuple[str, ...]:
        """The versions that are there, the shipped one first."""
        found = sorted(
            each.name
            for each in (self.folder.iterdir() if self.folder.is_dir() else ())
            if _VERSION.fullmatch(each.name) and (each / DESCRIPTION).is_file()
        )
        return (SHIPPED, *(name for name in found if name != SHIPPED))

    def path(self, version: str) -> Path | None:
        """The folder of a version; None for the shipped one.

        Raises:
            InputError: there is no such version.
        """
        if version == SHIPPED:
            return None
        if not _VERSION.fullmatch(version) or version not in self.versions():
            raise InputError(
                f"no version {version!r} of the models is there",
                where=str(self.folder),
                mend=f"choose one of {', '.join(self.versions())}",
            )
        return self.folder / version

    def challenge(self, version: str, reason: str, now_seconds: float) -> RegistryState:
        """Let a version forecast in the shadow."""
        self.path(version)

        def change(state: RegistryState) -> RegistryState:
            event = Event(
                at_seconds=now_seconds, action="challenge", version=version, reason=reason
            )
            return _with(state, event, challenger=version)

        return self._change(change)

    def promote(self, version: str, reason: str, now_seconds: float) -> RegistryState:
        """Let a challenger serve, if it is still the one; who served before is kept."""
        self.path(version)

        def change(state: RegistryState) -> RegistryState:
            if state.challenger != version:
                return state
            return _serving(state, version, "promote", reason, now_seconds)

        return self._change(change)

    def dismiss(self, version: str, reason: str, now_seconds: float) -> RegistryState:
        """Let a challenger go, if it is still the one."""

        def change(state: RegistryState) -> RegistryState:
            if state.challenger != version:
                return state
            event = Event(at_seconds=now_seconds, action="dismiss", version=version, reason=reason)
            return _with(state, event, challenger=None)

        return self._change(change)

    def roll_back(
        self, version: str | None, reason: str, now_seconds: float, *, instead_of: str | None = None
    ) -> RegistryState:
        """Serve a version again; None is the one that served before, or the shipped one.

        With ``instead_of`` only if that one serves still.

        Raises:
            InputError: there is no such version, or it serves already.
        """

        def change(state: RegistryState) -> RegistryState:
            if instead_of is not None and state.champion != instead_of:
                return state
            target = version or state.previous or SHIPPED
            if version is None and target == state.champion:
                raise InputError(
                    f"there is no version before {state.champion}", where=str(self.folder)
                )
            self.path(target)
            if target == state.champion:
                raise InputError(
                    f"version {target} serves already",
                    where=str(self.folder),
                    mend=f"name another: {', '.join(self.versions())}",
                )
            return _serving(state, target, "roll-back", reason, now_seconds)

        change(self.state())  # what is refused makes no folder
        return self._change(change)

    def claim_training(self, known_seconds: float | None, now_seconds: float) -> bool:
        """Note that a training begins; False where another process has since noted its own."""
        claimed = False

        def change(state: RegistryState) -> RegistryState:
            nonlocal claimed
            claimed = state.last_training_seconds == known_seconds
            if not claimed:
                return state
            return state.model_copy(update={"last_training_seconds": now_seconds})

        self._change(change)
        return claimed

    def prune(self, kept_max: int) -> tuple[str, ...]:
        """Delete versions of trainings, the oldest first, down to so many; give their names.

        Who serves, challenges or served before stays, and what a person put here.
        """
        gone: list[str] = []

        def change(state: RegistryState) -> RegistryState:
            needed = {state.champion, state.previous, state.challenger}
            trained = [name for name in self.versions() if _TRAINED.fullmatch(name)]
            spare = [name for name in trained if name not in needed]
            gone.extend(spare[: max(0, len(trained) - kept_max)])
            for name in gone:
                shutil.rmtree(self.folder / name, ignore_errors=True)
            return state

        self._change(change)
        return tuple(gone)

    def _change(self, change: Callable[[RegistryState], RegistryState]) -> RegistryState:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                before = self.state()
                after = change(before)
                if after != before:
                    self._write(after)
                return after
        except OSError as error:
            raise InputError(
                f"cannot be written ({error.strerror or error})",
                where=str(self.folder),
                mend="give --models-directory a folder of ours",
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, state: RegistryState) -> None:
        writing = self._path.with_suffix(".writing")
        with writing.open("w", encoding="utf-8") as file:
            file.write(state.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        writing.replace(self._path)


def watched(state: RegistryState, now_seconds: float, seconds: float) -> str | None:
    """Who served before the champion, while that was promoted within so many seconds.

    None where somebody rolled back since: then it is known who is wanted.
    """
    changes = [each for each in state.history if each.action in {"promote", "roll-back"}]
    if not changes or changes[-1].action != "promote" or changes[-1].version != state.champion:
        return None
    return changes[-1].replaced if 0 <= now_seconds - changes[-1].at_seconds < seconds else None


def _serving(
    state: RegistryState, version: str, action: Action, reason: str, now_seconds: float
) -> RegistryState:
    if state.champion == version:
        return state
    event = Event(
        at_seconds=now_seconds,
        action=action,
        version=version,
        replaced=state.champion,
        reason=reason,
    )
    # Whoever goes back does not want what challenges now, either.
    return _with(state, event, champion=version, previous=state.champion, challenger=None)


def _with(state: RegistryState, event: Event, **changes: str | None) -> RegistryState:
    history = (*state.history, event)[-HISTORY_MAX:]
    return state.model_copy(update={**changes, "history": history})
