"""What the ledger knows of itself: one text under each name, kept beside the records."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from ledger.tables import FACTS

#: When the first hour begins whose sums may be there, Unix seconds.
HOURS_SINCE: Final = "hours_since_seconds"
#: Whose pods these are: the uid of the cluster's namespace kube-system.
CLUSTER: Final = "cluster_uid"


def held(connection: sa.Connection, add: sa.Insert, name: str, value: str) -> str:
    """Return what is noted under a name, and note `value` where nothing is.

    Others who ask wait until the transaction ends. `add` is the INSERT that leaves a row alone.
    """
    connection.execute(add, {"name": name, "value": value})
    noted = sa.select(FACTS.c.value).where(FACTS.c.name == name)
    return str(connection.execute(noted.with_for_update()).scalar_one())


def note(connection: sa.Connection, name: str, value: str) -> None:
    """Change what is noted under a name; `held` is before."""
    connection.execute(sa.update(FACTS).where(FACTS.c.name == name).values(value=value))
