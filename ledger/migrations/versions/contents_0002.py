"""Add predictions, actions, errors of forecasts and sums by hour and day; index what is asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
#: What going back behind this revision drops.
LOSES = "all predictions, actions and errors of forecasts, and the sums of decisions that are gone"

DECISIONS = "placement_decisions"
OLD_INDEX = ("ix_placement_decisions_decided", DECISIONS, ["decided_at_seconds"])
_DECIDED = ["decided_at_seconds", "id"]
_PREDICTED = ["predicted_at_seconds", "id"]
_WINDOW = ["window_start_seconds", "id"]
INDICES_OF_DECISIONS = (
    ("ix_placement_decisions_decided", DECISIONS, _DECIDED),
    ("ix_placement_decisions_namespace", DECISIONS, ["namespace", *_DECIDED]),
    ("ix_placement_decisions_workload", DECISIONS, ["workload_name", *_DECIDED]),
    (
        "ix_placement_decisions_namespace_workload",
        DECISIONS,
        ["namespace", "workload_name", *_DECIDED],
    ),
    ("ix_placement_decisions_node", DECISIONS, ["node_chosen", *_DECIDED]),
    ("ix_placement_decisions_reason", DECISIONS, ["reason_kind", *_DECIDED]),
    ("ix_placement_decisions_rule", DECISIONS, ["rule", *_DECIDED]),
)
UNSUMMED = "ix_placement_decisions_unsummed"
INDICES_OF_NEW_TABLES = (
    ("ix_predictions_predicted", "predictions", _PREDICTED),
    ("ix_predictions_model", "predictions", ["model", *_PREDICTED]),
    ("ix_predictions_server", "predictions", ["best_server", *_PREDICTED]),
    ("ix_actions_decided", "actions", _DECIDED),
    ("ix_actions_kind", "actions", ["kind", *_DECIDED]),
    ("ix_actions_namespace", "actions", ["namespace", *_DECIDED]),
    ("ix_actions_subject", "actions", ["subject_name", "namespace", *_DECIDED]),
    ("ix_forecast_errors_window", "forecast_errors", _WINDOW),
    ("ix_forecast_errors_key", "forecast_errors", ["forecast_key", *_WINDOW]),
)
NEW_TABLES = ("predictions", "actions", "forecast_errors", "savings", "ledger_facts")


def upgrade() -> None:
    """Extend the decisions, say the reason of each in a word, and create the new tables."""
    reason_kind = sa.Column("reason_kind", sa.String(64), nullable=False, server_default="")
    op.add_column(DECISIONS, reason_kind)
    op.add_column(DECISIONS, sa.Column("summed_at_seconds", sa.Double(), nullable=True))
    op.execute(_reasons_in_a_word())
    op.drop_index(OLD_INDEX[0], table_name=DECISIONS)
    for create in (_create_predictions, _create_actions, _create_errors, _create_savings):
        create()
    op.create_table(
        "ledger_facts",
        sa.Column("name", sa.String(64), primary_key=True, nullable=False),
        sa.Column("value", sa.String(253), nullable=False),
    )
    for name, table, columns in (*INDICES_OF_DECISIONS, *INDICES_OF_NEW_TABLES):
        op.create_index(name, table, columns)
    _create_unsummed()


def downgrade() -> None:
    """Drop the new tables with all they hold; the decisions keep their rows."""
    for table in NEW_TABLES:
        op.drop_table(table)
    op.drop_index(UNSUMMED, table_name=DECISIONS)
    for name, table, _ in INDICES_OF_DECISIONS:
        op.drop_index(name, table_name=table)
    for column in ("reason_kind", "summed_at_seconds"):
        op.drop_column(DECISIONS, column)
    op.create_index(*OLD_INDEX)


def _reasons_in_a_word() -> sa.Update:
    columns = ("node_chosen", "node_preferred", "forgone_watts", "reason_kind")
    table = sa.table(DECISIONS, *(sa.column(name) for name in columns))
    chosen, preferred, forgone, _ = (table.c[name] for name in columns)
    return sa.update(table).values(
        reason_kind=sa.case(
            (preferred.is_(None), "no-preference"),
            (chosen == preferred, "preferred"),
            (forgone.is_(None), "unknown"),
            (forgone > 0, "dearer"),
            (forgone < 0, "cheaper"),
            else_="equal",
        )
    )


def _create_unsummed() -> None:
    columns = ["summed_at_seconds", "ended_at_seconds", "decided_at_seconds", "namespace"]
    columns += ["workload_kind", "workload_name", "forgone_watts"]
    unsummed = sa.text("summed_at_seconds IS NULL")
    op.create_index(UNSUMMED, DECISIONS, columns, postgresql_where=unsummed, sqlite_where=unsummed)


def _row_number() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("id", kind, primary_key=True, nullable=False)


def _create_predictions() -> None:
    op.create_table(
        "predictions",
        _row_number(),
        sa.Column("uid", sa.String(64), nullable=False),
        sa.Column("predicted_at_seconds", sa.Double(), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("task_load_percent", sa.Double(), nullable=False),
        sa.Column("server_count", sa.BigInteger(), nullable=False),
        sa.Column("best_server", sa.String(253), nullable=True),
        sa.Column("best_cost_watts", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("servers", sa.JSON(), nullable=False),
        sa.UniqueConstraint("uid", name="uq_predictions_uid"),
    )


def _create_actions() -> None:
    op.create_table(
        "actions",
        _row_number(),
        sa.Column("uid", sa.String(64), nullable=False),
        sa.Column("decided_at_seconds", sa.Double(), nullable=False),
        sa.Column("mode", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("subject_kind", sa.String(64), nullable=False),
        sa.Column("subject_name", sa.String(253), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("before_value", sa.Double(), nullable=True),
        sa.Column("after_value", sa.Double(), nullable=True),
        sa.Column("saved_watts", sa.Double(), nullable=True),
        sa.Column("forecast_key", sa.String(382), nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.UniqueConstraint("uid", name="uq_actions_uid"),
    )


def _create_errors() -> None:
    op.create_table(
        "forecast_errors",
        _row_number(),
        sa.Column("forecast_key", sa.String(382), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("horizon_seconds", sa.BigInteger(), nullable=False),
        sa.Column("window_start_seconds", sa.Double(), nullable=False),
        sa.Column("window_end_seconds", sa.Double(), nullable=False),
        sa.Column("sample_count", sa.BigInteger(), nullable=False),
        sa.Column("mae_requests_per_second", sa.Double(), nullable=True),
        sa.Column("wape_ratio", sa.Double(), nullable=True),
        sa.Column("pinball_requests_per_second", sa.Double(), nullable=True),
        sa.Column("coverage_80_ratio", sa.Double(), nullable=True),
        sa.Column("coverage_95_ratio", sa.Double(), nullable=True),
        sa.UniqueConstraint(
            "forecast_key",
            "model",
            "horizon_seconds",
            "window_start_seconds",
            name="uq_forecast_errors_window",
        ),
    )


def _create_savings() -> None:
    op.create_table(
        "savings",
        sa.Column("period_seconds", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_start_seconds", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("workload_kind", sa.String(64), nullable=False),
        sa.Column("workload_name", sa.String(253), nullable=False),
        sa.Column("decisions", sa.BigInteger(), nullable=False),
        sa.Column("unknown", sa.BigInteger(), nullable=False),
        sa.Column("carried_decisions", sa.BigInteger(), nullable=False),
        sa.Column("carried_unknown", sa.BigInteger(), nullable=False),
        sa.Column("pod_seconds", sa.Double(), nullable=False),
        sa.Column("forgone_joules", sa.Double(), nullable=False),
        sa.Column("first_seconds", sa.Double(), nullable=False),
        sa.Column("last_seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "period_seconds",
            "period_start_seconds",
            "namespace",
            "workload_kind",
            "workload_name",
        ),
    )
