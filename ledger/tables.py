"""The tables of the ledger. Each column's comment says what it means and in which unit.

Types are those that SQLite, MariaDB, MySQL and PostgreSQL share. The comments are also the text of
docs/reference/ledger.md (a test compares), and go into the schema where a database keeps comments.
A change here needs a new file in ledger/migrations/versions.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from ledger.checks import NAME_LENGTH_MAX, NAMESPACE_LENGTH_MAX, WORD_LENGTH_MAX

#: An unlikely name, because a server's database may hold other tables and other Alembic's versions.
VERSION_TABLE: Final = "negawatt_ledger_version"
METADATA: Final = sa.MetaData()

_WORD: Final = sa.String(WORD_LENGTH_MAX)
_NAME: Final = sa.String(NAME_LENGTH_MAX)
# SQLite numbers rows by itself only in a column of the type INTEGER.
_NUMBER: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _column(name: str, kind: Any, comment: str, **options: Any) -> sa.Column[Any]:  # noqa: ANN401
    return sa.Column(name, kind, comment=comment, **{"nullable": False, **options})


DECISIONS: Final = sa.Table(
    "placement_decisions",
    METADATA,
    _column("id", _NUMBER, "number of the row, in the order of writing", primary_key=True),
    _column("decided_at_seconds", sa.Double(), "when the decision was made, Unix seconds"),
    _column("mode", _WORD, "`act` if a scheduler that asks us placed the pod, else `observe`"),
    _column("namespace", sa.String(NAMESPACE_LENGTH_MAX), "namespace of the pod"),
    _column("pod", _NAME, "name of the pod"),
    _column("uid", _WORD, "Kubernetes' uid of the pod; one row a uid, the first written stays"),
    _column("workload_kind", _WORD, "kind of what keeps the pod alive, such as `Deployment`"),
    _column("workload_name", _NAME, "its name; the pod's own where nothing keeps it alive"),
    _column("scheduler_name", _NAME, "scheduler that the pod asked for"),
    _column("node_chosen", _NAME, "node that the pod went to"),
    _column("node_preferred", _NAME, "node that we would have chosen", nullable=True),
    _column(
        "chosen_watts", sa.Double(), "watts that the pod adds on the chosen node", nullable=True
    ),
    _column("preferred_watts", sa.Double(), "watts on the preferred node", nullable=True),
    _column(
        "forgone_watts",
        sa.Double(),
        "`chosen_watts - preferred_watts`, signed; NULL where either is unknown",
        nullable=True,
    ),
    _column("rule", _WORD, "rule that ranked the nodes"),
    _column("reason", sa.Text(), "why, in words"),
    _column("candidate_count", sa.BigInteger(), "nodes that could have taken the pod"),
    _column(
        "runner_up_node",
        _NAME,
        "next best node by the rule, of another class where there is one",
        nullable=True,
    ),
    _column("runner_up_watts", sa.Double(), "watts on that node", nullable=True),
    _column("load_source", _WORD, "where the load of the chosen node came from"),
    _column("load_age_seconds", sa.Double(), "how old that load was, seconds", nullable=True),
    _column("cpu_millicores", sa.BigInteger(), "CPU that the pod was taken to need, millicores"),
    _column("memory_bytes", sa.BigInteger(), "memory it was taken to need, bytes"),
    _column("needs_source", _WORD, "where these two came from"),
    _column(
        "candidates",
        sa.JSON(),
        "list of nodes that were weighed, best first: `node`, `rank` (0 best), `cost` (the rule's "
        "own unit), `watts`, `source`, `age_seconds`; it may be shorter than `candidate_count`",
    ),
    _column(
        "ended_at_seconds",
        sa.Double(),
        "when the pod ended, Unix seconds; NULL while it runs",
        nullable=True,
    ),
    sa.UniqueConstraint("uid", name="uq_placement_decisions_uid"),
    sa.Index("ix_placement_decisions_decided", "decided_at_seconds"),
    sa.Index("ix_placement_decisions_ended", "ended_at_seconds"),
    sa.Index("ix_placement_decisions_pod", "namespace", "pod"),
)
