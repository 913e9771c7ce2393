"""The extender's state as Prometheus series: one table, for text and page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from extender.figures import Figures, NodeFigures
from telemetry.serving.series import COUNTER, GAUGE, Family, Row

PREFIX = "negawatt_extender_"


def _one(value: Callable[[Figures], float | None]) -> Callable[[Figures], Iterable[Row]]:
    def rows(figures: Figures) -> Iterator[Row]:
        if (found := value(figures)) is not None:
            yield (), found

    return rows


def _by(counts: Callable[[Figures], Mapping[str, float]]) -> Callable[[Figures], Iterable[Row]]:
    # A tuple: while the text is sent in slices, the mapping may get a key.
    return lambda figures: (((name,), value) for name, value in tuple(counts(figures).items()))


def _per_node(
    value: Callable[[NodeFigures], float | None],
    labels: Callable[[NodeFigures], tuple[str, ...]] = lambda _node: (),
) -> Callable[[Figures], Iterable[Row]]:
    def rows(figures: Figures) -> Iterator[Row]:
        for name, node in tuple(figures.nodes.items()):
            if (found := value(node)) is not None:
                yield (name, *labels(node)), found

    return rows


def _count_nodes(source: Callable[[NodeFigures], str]) -> Callable[[Figures], Iterable[Row]]:
    def rows(figures: Figures) -> Iterator[Row]:
        counts: dict[str, int] = {}
        for node in tuple(figures.nodes.values()):
            counts[source(node)] = counts.get(source(node), 0) + 1
        return (((name,), count) for name, count in counts.items())

    return rows


def _per_workload(which: str) -> Callable[[Figures], Iterable[Row]]:
    return lambda figures: (
        ((workload.namespace, workload.kind, workload.name), getattr(forgone, which))
        for workload, forgone in tuple(figures.forgone.items())
    )


def _forgone_total(figures: Figures) -> float:
    return math.fsum(forgone.watts for forgone in figures.forgone.values())


def _family(
    name: str,
    kind: str,
    text: str,
    rows: Callable[[Figures], Iterable[Row]],
    labels: tuple[str, ...] = (),
) -> Family[Figures]:
    return Family(name=PREFIX + name, kind=kind, text=text, labels=labels, rows=rows)


_WORKLOAD = ("namespace", "kind", "name")
_PREDICTED = "by the node's power curve, not measured"

FAMILIES: tuple[Family[Figures], ...] = (
    _family("pods", GAUGE, "Pods that the extender knows.", _one(lambda f: f.pods)),
    _family("nodes", GAUGE, "Nodes that the extender knows.", _one(lambda f: len(f.nodes))),
    _family(
        "assumed_pods",
        GAUGE,
        "Pods scored and not bound yet, counted on the node they will likely get.",
        _one(lambda f: f.assumed_pods),
    ),
    _family(
        "assumed_expired_pods_total",
        COUNTER,
        "Assumed pods that were not bound in time.",
        _one(lambda f: f.assumed_expired),
    ),
    _family("queue_pods", GAUGE, "Pending pods of our schedulers.", _one(lambda f: f.queue_pods)),
    _family(
        "decisions_total",
        COUNTER,
        "Binds seen, by mode and by outcome: the scheduler chose the node that we prefer (same), "
        "another one (other), or the pod was not ranked (skipped).",
        lambda f: (((*key,), count) for key, count in tuple(f.decisions.items())),
        ("mode", "outcome"),
    ),
    _family(
        "scores_total",
        COUNTER,
        "Scores given to nodes, 0 (worst) to 10 (best).",
        _by(lambda f: {str(score): count for score, count in f.scores.items()}),
        ("score",),
    ),
    _family(
        "unscored_requests_total",
        COUNTER,
        "Requests answered with equal scores, by why.",
        _by(lambda f: f.unscored),
        ("why",),
    ),
    _family(
        "forgone_watts",
        GAUGE,
        "Watts that the pods running now add beyond what our preferred nodes would; signed "
        "(negative: the scheduler's choice is the cheaper one now); predicted, not measured.",
        _per_workload("watts"),
        _WORKLOAD,
    ),
    _family(
        "forgone_joules",
        GAUGE,
        "Joules so far of forgone watts; signed, so it may fall; predicted, not measured; since "
        "the extender started.",
        _per_workload("joules"),
        _WORKLOAD,
    ),
    _family(
        "workload_decisions_total",
        COUNTER,
        "Binds that the forgone watts are summed over.",
        _per_workload("decisions"),
        _WORKLOAD,
    ),
    _family(
        "forgone_total_watts",
        GAUGE,
        "Sum of forgone watts over all workloads; signed; predicted, not measured.",
        _one(_forgone_total),
    ),
    _family(
        "node_utilisation_ratio",
        GAUGE,
        "CPU load that the node is taken to have, 0-1, and where that is from: measured by "
        "prometheus or metrics.k8s.io, else estimated from requests.",
        _per_node(lambda node: node.utilisation_ratio, lambda node: (node.load_source,)),
        ("node", "source"),
    ),
    _family(
        "node_load_age_seconds",
        GAUGE,
        "Age of the node's load reading; absent where the source does not age.",
        _per_node(lambda node: node.load_age_seconds, lambda node: (node.load_source,)),
        ("node", "source"),
    ),
    _family(
        "load_source_nodes",
        GAUGE,
        "Nodes by where their load is from.",
        _count_nodes(lambda node: node.load_source),
        ("source",),
    ),
    _family(
        "profile_source_nodes",
        GAUGE,
        "Nodes by where their power curve is from; generic ones are guesses by size.",
        _count_nodes(lambda node: node.profile_source),
        ("source",),
    ),
    _family(
        "node_predicted_watts",
        GAUGE,
        f"Power of the node at its load, {_PREDICTED}.",
        _per_node(lambda node: node.predicted_watts, lambda node: (node.profile_source,)),
        ("node", "source"),
    ),
    _family(
        "node_measured_watts",
        GAUGE,
        "Power of the node as measured, and by which meter; simulated where the node is (in a "
        "sandbox); absent without a meter.",
        _per_node(lambda node: node.measured_watts, lambda node: (node.power_source,)),
        ("node", "source"),
    ),
    _family(
        "node_residual_watts",
        GAUGE,
        "Measured minus predicted watts; signed; absent without a meter.",
        _per_node(lambda node: node.residual_watts),
        ("node",),
    ),
    _family(
        "node_drifted",
        GAUGE,
        "1 where the power curve no longer fits what is measured, else 0.",
        _per_node(lambda node: int(node.drifted)),
        ("node",),
    ),
    _family(
        "source_age_seconds",
        GAUGE,
        "Age of the newest reading of a quantity (cpu-load, wall-power, package-power) or of "
        "metrics.k8s.io, and time since the API server last spoke of nodes, pods, namespaces; +Inf "
        "if there never was any; absent where there is no such source.",
        _by(lambda f: f.sources),
        ("source",),
    ),
    _family(
        "source_stale",
        GAUGE,
        "1 where a source is too old to be used and the next one counts, else 0.",
        _by(lambda f: {name: int(name in f.stale) for name in {*f.sources, *f.stale}}),
        ("source",),
    ),
    _family(
        "unreadable_objects",
        GAUGE,
        "Objects of the cluster that could not be read, by kind: a pod keeps its last good copy or "
        "closes its node; a node is not ranked; a namespace keeps its labels; a power-profile does "
        "not count. The log names each once.",
        _by(lambda f: f.unreadable),
        ("kind",),
    ),
    _family(
        "usage_ratio",
        GAUGE,
        "What pods are taken to use of the CPU they request, 0-1, and where that is from.",
        lambda f: (((f.usage_ratio_source,), f.usage_ratio),),
        ("source",),
    ),
    _family(
        "price_solves_total",
        COUNTER,
        "Solves of the price program by outcome: solved, kept (the last prices), fallback (tiers).",
        _by(lambda f: f.price_solves),
        ("outcome",),
    ),
    _family(
        "price_solve_duration_seconds",
        GAUGE,
        "Time that the last solve took, outside the hot path.",
        _one(lambda f: f.price_solve_seconds),
    ),
    _family(
        "price_age_seconds",
        GAUGE,
        "Age of the prices in use; absent without any.",
        _one(lambda f: f.price_age_seconds),
    ),
    _family(
        "ledger_written_records_total",
        COUNTER,
        "Decisions, ends of pods and predictions written to the ledger.",
        _one(lambda f: f.ledger_written),
    ),
    _family(
        "ledger_dropped_records_total",
        COUNTER,
        "Decisions, ends of pods and predictions that found no room, or that the ledger refused.",
        _one(lambda f: f.ledger_dropped),
    ),
    _family(
        "ledger_forgotten_records_total",
        COUNTER,
        "Decisions deleted from the ledger: more than --ledger-rows-max, or too old.",
        _one(lambda f: f.ledger_forgotten),
    ),
    _family(
        "ledger_pending_records",
        GAUGE,
        "Decisions, ends of pods and predictions that wait for the ledger.",
        _one(lambda f: f.ledger_pending),
    ),
)
#: Those that every service with a ledger has.
LEDGER_FAMILIES: tuple[Family[Figures], ...] = tuple(
    family for family in FAMILIES if family.name.startswith(f"{PREFIX}ledger_")
)
