"""The tables of the ledger. Each column's comment says what it means and in which unit.

The comments are also the text of docs/reference/ledger.md (a test compares); the databases do not
get them. A change here needs a new file in ledger/migrations/versions.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from ledger.columns import (
    JSON,
    KEY,
    NAME,
    NAMESPACE,
    NUMBER,
    TEXT,
    WHOLE,
    WORD,
    column,
    row_number,
)

#: An unlikely name, because a server's database may hold other tables and other Alembic's versions.
VERSION_TABLE: Final = "negawatt_ledger_version"
METADATA: Final = sa.MetaData()
_UNSUMMED: Final = sa.text("summed_at_seconds IS NULL")


DECISIONS: Final = sa.Table(
    "placement_decisions",
    METADATA,
    row_number(),
    column("decided_at_seconds", NUMBER, "when the decision was made, Unix seconds"),
    column("mode", WORD, "`act` if a scheduler that asks us placed the pod, else `observe`"),
    column("namespace", NAMESPACE, "namespace of the pod"),
    column("pod", NAME, "name of the pod"),
    column("uid", WORD, "Kubernetes' uid of the pod; one row a uid, the first written stays"),
    column("workload_kind", WORD, "kind of what keeps the pod alive, such as `Deployment`"),
    column("workload_name", NAME, "its name; the pod's own where nothing keeps it alive"),
    column("scheduler_name", NAME, "scheduler that the pod asked for"),
    column("node_chosen", NAME, "node that the pod went to"),
    column("node_preferred", NAME, "node that we would have chosen", nullable=True),
    column("chosen_watts", NUMBER, "watts that the pod adds on the chosen node", nullable=True),
    column("preferred_watts", NUMBER, "watts on the preferred node", nullable=True),
    column(
        "forgone_watts",
        NUMBER,
        "`chosen_watts - preferred_watts`, signed; NULL where either is unknown",
        nullable=True,
    ),
    column("rule", WORD, "rule that ranked the nodes"),
    column("reason", TEXT, "why, in words"),
    column(
        "reason_kind",
        WORD,
        "the reason in a word: `preferred` (the pod went to the node that we prefer); elsewhere "
        "`dearer`, `cheaper` or `equal` by `forgone_watts`, or `unknown`; `no-preference`",
        server_default="",
    ),
    column("candidate_count", WHOLE, "nodes that could have taken the pod"),
    column(
        "runner_up_node",
        NAME,
        "next best node by the rule, of another class where there is one",
        nullable=True,
    ),
    column("runner_up_watts", NUMBER, "watts on that node", nullable=True),
    column("load_source", WORD, "where the load of the chosen node came from"),
    column("load_age_seconds", NUMBER, "how old that load was, seconds", nullable=True),
    column("cpu_millicores", WHOLE, "CPU that the pod was taken to need, millicores"),
    column("memory_bytes", WHOLE, "memory it was taken to need, bytes"),
    column("needs_source", WORD, "where these two came from"),
    column(
        "candidates",
        JSON,
        "list of nodes that were weighed, best first: `node`, `rank` (0 best), `cost` (the rule's "
        "own unit), `watts`, `source`, `age_seconds`; it may be shorter than `candidate_count`",
    ),
    column(
        "ended_at_seconds",
        NUMBER,
        "when the pod ended, Unix seconds; NULL while it runs",
        nullable=True,
    ),
    column(
        "summed_at_seconds",
        NUMBER,
        "when the row went into `savings`, Unix seconds; NULL while it counts by itself",
        nullable=True,
    ),
    sa.UniqueConstraint("uid", name="uq_placement_decisions_uid"),
    sa.Index("ix_placement_decisions_decided", "decided_at_seconds", "id"),
    sa.Index("ix_placement_decisions_namespace", "namespace", "decided_at_seconds", "id"),
    sa.Index("ix_placement_decisions_workload", "workload_name", "decided_at_seconds", "id"),
    sa.Index(
        "ix_placement_decisions_namespace_workload",
        "namespace",
        "workload_name",
        "decided_at_seconds",
        "id",
    ),
    sa.Index("ix_placement_decisions_node", "node_chosen", "decided_at_seconds", "id"),
    sa.Index("ix_placement_decisions_reason", "reason_kind", "decided_at_seconds", "id"),
    sa.Index("ix_placement_decisions_rule", "rule", "decided_at_seconds", "id"),
    sa.Index("ix_placement_decisions_pod", "namespace", "pod"),
    sa.Index("ix_placement_decisions_ended", "ended_at_seconds"),
    # All that sums need of the rows that are in none yet: they are read from the index alone, which
    # holds no others where a database can leave rows out.
    sa.Index(
        "ix_placement_decisions_unsummed",
        "summed_at_seconds",
        "ended_at_seconds",
        "decided_at_seconds",
        "namespace",
        "workload_kind",
        "workload_name",
        "forgone_watts",
        postgresql_where=_UNSUMMED,
        sqlite_where=_UNSUMMED,
    ),
)

PREDICTIONS: Final = sa.Table(
    "predictions",
    METADATA,
    row_number(),
    column("uid", WORD, "a random name; a record that is written twice is there once"),
    column("predicted_at_seconds", NUMBER, "when it was predicted, Unix seconds"),
    column("model", WORD, "model that predicted"),
    column("source", WORD, "`given` if the caller described the servers, else `cluster`"),
    column("task_load_percent", NUMBER, "load of the task; 100 is one busy core"),
    column("server_count", WHOLE, "servers that were compared"),
    column("best_server", NAME, "cheapest server that can take it", nullable=True),
    column("best_cost_watts", NUMBER, "watts that the task adds there", nullable=True),
    column("reason", TEXT, "why, in words"),
    column(
        "servers",
        JSON,
        "list of the servers: `server`, `cpu_cores`, `memory_gigabytes`, "
        "`energy_rate_watts_per_core`, `used_ratio`, `cost_watts`, `reason`",
    ),
    sa.UniqueConstraint("uid", name="uq_predictions_uid"),
    sa.Index("ix_predictions_predicted", "predicted_at_seconds", "id"),
    sa.Index("ix_predictions_model", "model", "predicted_at_seconds", "id"),
    sa.Index("ix_predictions_server", "best_server", "predicted_at_seconds", "id"),
)

ACTIONS: Final = sa.Table(
    "actions",
    METADATA,
    row_number(),
    column("uid", WORD, "a random name; a record that is written twice is there once"),
    column("decided_at_seconds", NUMBER, "when the decision was made, Unix seconds"),
    column("mode", WORD, "`act` if it was done, `observe` if it would have been"),
    column("kind", WORD, "`scale`, `node`, `plan` or `forecast`"),
    column("namespace", NAMESPACE, "namespace of the subject; empty where it is in none"),
    column("subject_kind", WORD, "kind of what was acted on, such as `Deployment` or `Node`"),
    column("subject_name", NAME, "its name"),
    column("action", WORD, "what was done: `label`, `scale-up`, `move`, `anomaly-start`, …"),
    column("before_value", NUMBER, "before it: a tier, replicas of a scale", nullable=True),
    column("after_value", NUMBER, "the same afterwards", nullable=True),
    column("saved_watts", NUMBER, "watts that it saves; negative where it costs", nullable=True),
    column("forecast_key", KEY, "`namespace/kind/name` of the forecast behind it; or empty"),
    column("rule", WORD, "rule or policy that decided"),
    column("reason", TEXT, "why, in words"),
    column("detail", JSON, "what only this kind of action has, under names"),
    sa.UniqueConstraint("uid", name="uq_actions_uid"),
    sa.Index("ix_actions_decided", "decided_at_seconds", "id"),
    sa.Index("ix_actions_kind", "kind", "decided_at_seconds", "id"),
    sa.Index("ix_actions_namespace", "namespace", "decided_at_seconds", "id"),
    sa.Index("ix_actions_subject", "subject_name", "namespace", "decided_at_seconds", "id"),
)

FORECAST_ERRORS: Final = sa.Table(
    "forecast_errors",
    METADATA,
    row_number(),
    column("forecast_key", KEY, "`namespace/kind/name` of what was forecast"),
    column("model", WORD, "model that forecast"),
    column("horizon_seconds", WHOLE, "how far ahead, seconds"),
    column("window_start_seconds", NUMBER, "from when the forecasts fell due, Unix seconds"),
    column("window_end_seconds", NUMBER, "until when, Unix seconds"),
    column("sample_count", WHOLE, "forecasts that were compared with what came"),
    column(
        "mae_requests_per_second",
        NUMBER,
        "mean absolute error of the median, requests per second",
        nullable=True,
    ),
    column("wape_ratio", NUMBER, "absolute errors through what came, both summed", nullable=True),
    column(
        "pinball_requests_per_second",
        NUMBER,
        "mean pinball loss over all quantiles, requests per second",
        nullable=True,
    ),
    column("coverage_80_ratio", NUMBER, "share within the central 80 %, 0-1", nullable=True),
    column("coverage_95_ratio", NUMBER, "share within the central 95 %, 0-1", nullable=True),
    sa.UniqueConstraint(
        "forecast_key",
        "model",
        "horizon_seconds",
        "window_start_seconds",
        name="uq_forecast_errors_window",
    ),
    sa.Index("ix_forecast_errors_window", "window_start_seconds", "id"),
    sa.Index("ix_forecast_errors_key", "forecast_key", "window_start_seconds", "id"),
)

SAVINGS: Final = sa.Table(
    "savings",
    METADATA,
    column("period_seconds", WHOLE, "3600 or 86400: one hour or one day", primary_key=True),
    column(
        "period_start_seconds",
        WHOLE,
        "when the hour or day (UTC) begins, Unix seconds",
        primary_key=True,
    ),
    column("namespace", NAMESPACE, "namespace of the pods", primary_key=True),
    column("workload_kind", WORD, "kind of their workload", primary_key=True),
    column("workload_name", NAME, "name of their workload", primary_key=True),
    column("decisions", WHOLE, "pods placed within the period"),
    column("unknown", WHOLE, "of these, pods without `forgone_watts`"),
    column("carried_decisions", WHOLE, "pods placed before it that lived within"),
    column("carried_unknown", WHOLE, "of these, pods without `forgone_watts`"),
    column("pod_seconds", NUMBER, "seconds that all these pods lived within the period"),
    column("forgone_joules", NUMBER, "`forgone_watts` times these seconds, summed; signed"),
    column("first_seconds", NUMBER, "when the first of these seconds began, Unix seconds"),
    column("last_seconds", NUMBER, "when the last of them ended, Unix seconds"),
)

FACTS: Final = sa.Table(
    "ledger_facts",
    METADATA,
    column("name", WORD, "what the row says", primary_key=True),
    column("value", NAME, "the fact, as text"),
)
