"""Begin with one table: a row for each placement decision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
#: What going back behind this revision drops.
LOSES = "all placement decisions"

TABLE = "placement_decisions"


def upgrade() -> None:
    """Create the table and its indices."""
    op.create_table(
        TABLE,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("decided_at_seconds", sa.Double(), nullable=False),
        sa.Column("mode", sa.String(64), nullable=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("pod", sa.String(253), nullable=False),
        sa.Column("uid", sa.String(64), nullable=False),
        sa.Column("workload_kind", sa.String(64), nullable=False),
        sa.Column("workload_name", sa.String(253), nullable=False),
        sa.Column("scheduler_name", sa.String(253), nullable=False),
        sa.Column("node_chosen", sa.String(253), nullable=False),
        sa.Column("node_preferred", sa.String(253), nullable=True),
        sa.Column("chosen_watts", sa.Double(), nullable=True),
        sa.Column("preferred_watts", sa.Double(), nullable=True),
        sa.Column("forgone_watts", sa.Double(), nullable=True),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("candidate_count", sa.BigInteger(), nullable=False),
        sa.Column("runner_up_node", sa.String(253), nullable=True),
        sa.Column("runner_up_watts", sa.Double(), nullable=True),
        sa.Column("load_source", sa.String(64), nullable=False),
        sa.Column("load_age_seconds", sa.Double(), nullable=True),
        sa.Column("cpu_millicores", sa.BigInteger(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("needs_source", sa.String(64), nullable=False),
        sa.Column("candidates", sa.JSON(), nullable=False),
        sa.Column("ended_at_seconds", sa.Double(), nullable=True),
        sa.UniqueConstraint("uid", name="uq_placement_decisions_uid"),
    )
    op.create_index("ix_placement_decisions_decided", TABLE, ["decided_at_seconds"])
    op.create_index("ix_placement_decisions_ended", TABLE, ["ended_at_seconds"])
    op.create_index("ix_placement_decisions_pod", TABLE, ["namespace", "pod"])


def downgrade() -> None:
    """Drop the table; its indices go with it."""
    op.drop_table(TABLE)
