"""Where rules put pods of the worked example on empty servers, what they move, and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cluster.model import Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from energy.catalogue import Catalogue
from pricing.envelope import Envelope
from pricing.mix_pricing import MixPricing
from pricing.moves.plan import plan_moves
from pricing.moves.saving import MoveTerms
from pricing.queue_pricing import QueuePricing
from pricing.rules import EfficiencyOrder, Marginal, Rule, packed_choice
from simulator.fleet import read_fleet
from simulator.pod_file import read_pods
from simulator.policy import Setting, fleet_power

HERE = Path(__file__).parent


def main() -> None:
    """Print a line per pod and rule, then the moves from what `marginal` leaves."""
    fleet = read_fleet(HERE / "nodes.csv", Catalogue.shipped(), np.random.default_rng(0))
    power = fleet_power(fleet, Setting(usage_ratio=1.0, nodes_may_sleep=True))
    pods = [record.pod() for record in read_pods(HERE / "pods.csv").records]
    table = NodeTable.of(fleet.nodes)
    booked, mix = QueuePricing(power, table, pods, 0.0), MixPricing(power)
    for pod in pods:
        mix.placed(pod)
    mix.refresh(table, 0.0)
    rules = {
        "efficiency-order": EfficiencyOrder(power),
        "marginal": Marginal(power),
        "envelope": Envelope(power),
        "priced-envelope": mix.rule,
        "booking-limit": booked.rule,
    }
    by_name = {pod.name: pod for pod in pods}
    for policy, rule in rules.items():
        _explain(table, by_name["cache-1"], policy, rule)
    for name in ("web-1", "batch-1"):
        _explain(table, by_name[name], "booking-limit", booked.rule)
    residents: list[list[Pod]] = [[] for _ in fleet.nodes]
    for pod in pods:
        node = _chosen(table, pod, Marginal(power))
        table.assign(pod, node)
        residents[node].append(pod)
    terms = MoveTerms(ownerless_may_move=True)
    for move in plan_moves(
        table, residents, power, Envelope(power), moves_max=len(pods), terms=terms
    ):
        source, target = table.nodes[move.source].name, table.nodes[move.target].name
        print(f"move {move.pod.name} from {source} to {target}, because it {move.reason}")


def _explain(table: NodeTable, pod: Pod, policy: str, rule: Rule) -> None:
    node = _chosen(table, pod, rule)
    print(f"{pod.name}, {policy}: {table.nodes[node].name}, because")
    print(f"  {rule.reason(table, pod, node)}")


def _chosen(table: NodeTable, pod: Pod, rule: Rule) -> int:
    return packed_choice(table, pod, feasible(table, pod), rule.costs(table, pod))


if __name__ == "__main__":
    main()
