"""What the ledger asks of a kind of database: each has a module that answers; no other knows it.

`ledger.sqlite`, `ledger.mariadb` and `ledger.postgresql` hold one object each that satisfies
`Dialect`; `ledger.address` picks it by the URL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import sqlalchemy as sa

from energy.errors import NegawattError, UnavailableError

#: An execution option: the transaction means to write. A database that gives out one place for
#: writing makes it wait for its turn at the start.
WRITES: Final = "negawatt_writes"

NewRow = Any  # the columns of the row that was to be inserted, by name
Changes = Callable[[NewRow], Mapping[str, Any]]


CONNECT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait before giving up.

    `busy_seconds` for what another transaction keeps, `answer_seconds` for one statement.
    """

    busy_seconds: float = 2.0
    answer_seconds: float = 30.0

    @property
    def connect_seconds(self) -> float:
        """How long to wait for a new connection: a server that is there answers at once."""
        return min(CONNECT_SECONDS, self.answer_seconds)


class ConnectionLostError(UnavailableError):
    """The connection ended in the middle; the server may well be there."""


class Dialect(Protocol):
    """One kind of database."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its driver raises where SQLAlchemy does not wrap it."""

    def url_of(self, url: sa.URL) -> sa.URL:
        """Return the URL with the driver that we use.

        Raises `InputError` where it names no database or asks for what we cannot give.
        """

    def where(self, url: sa.URL) -> str:
        """Return what to call the database in messages; never with a password."""

    def prepare(self, url: sa.URL, *, create: bool) -> None:
        """Make what a first connection needs; without `create` only look whether it is there."""

    def engine(self, url: sa.URL, patience: Patience) -> sa.Engine:
        """Return an engine that waits no longer than told; nothing is connected yet."""

    def settle(self, engine: sa.Engine, where: str, patience: Patience) -> None:
        """Connect, and see to it that the database can keep a ledger."""

    def take_turn(self, connection: sa.Connection, patience: Patience) -> None:
        """Keep all others from changing the schema until transaction and connection are closed.

        Waits for another process for up to `busy_seconds`.
        """

    def insert_missing(self, table: sa.Table, key: str) -> sa.Insert:
        """Return the INSERT that leaves a row alone whose `key` is there already."""

    def insert_or_change(self, table: sa.Table, keys: Sequence[str], values: Changes) -> sa.Insert:
        """Return the INSERT that changes the row with these keys instead, where it is there.

        `values` gets the columns of the new row and returns what the old one's become; each may
        speak of the same column of the old row and no other.
        """

    def compact(self, engine: sa.Engine, tables: Sequence[str]) -> None:
        """Give back or make usable again the space of rows that were deleted."""

    def size_bytes(self, connection: sa.Connection, tables: Sequence[str]) -> int:
        """Return what the tables and their indices take."""

    def explained(
        self, error: Exception, where: str, *, opening: bool = False
    ) -> NegawattError | None:
        """Say in one line what the database lacks; None where it is not at fault.

        One that cannot serve is bad input to whoever opens it (`InputError`); one that served
        before and no longer does has become unavailable (`UnavailableError`).
        """

    def lost_a_race(self, error: BaseException | None) -> bool:
        """Whether the transaction failed only for another's sake, and may succeed at once."""


def compact_json(value: object) -> str:
    """Return JSON without spaces; raises `ValueError` for what JSON has no number for."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
