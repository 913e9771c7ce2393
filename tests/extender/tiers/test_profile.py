"""The scheduler's configuration for tiers: what is written, and that its weights add up."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import scheduler_files
import yaml
from hypothesis import given
from hypothesis import strategies as st
from model_objects import node, pod, table_of

from cluster.constraints import Affinity, NodeAffinity, NodeSelectorTerm, PreferredNodeTerm
from cluster.scheduling.profile import (
    ENERGY_TIER_LABEL,
    ENERGY_TIERS,
    ScoringStrategyType,
)
from cluster.scheduling.scheduler import schedule_one
from cluster.scheduling.scores.normalise import by_maximum
from cluster.scheduling.tie import TieState
from cluster.scheduling.tier_profile import WEIGHTS, packing, tier_profile, tier_weight
from cluster.selectors import Operator, Requirement
from energy.errors import InputError
from extender.tiers.profile import (
    TierProfileOptions,
    Where,
    efficient_fill_percent,
    profile_document,
)

PACKING, SPREADING = 100, 100
SECOND = TierProfileOptions()
BESIDE_DEFAULT = TierProfileOptions(where=Where.CONTROL_PLANE)
SHIPPED = {
    scheduler_files.FOLDER / "tiers-second-scheduler.yaml": SECOND,
    scheduler_files.FOLDER / "tiers-default-scheduler.yaml": BESIDE_DEFAULT,
}
ALL_OPTIONS = [
    TierProfileOptions(where=where, scheduler_name=name, usage_ratio=usage)
    for where in Where
    for name in ("negawatt", "default-scheduler")
    for usage in (0.5, 1.0)
]


def profile_of(options):
    """Give the profile that goes by tiers, as kube-scheduler reads it."""
    return yaml.safe_load(profile_document(options))["profiles"][-1]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_shipped_files_are_what_the_command_writes(file):
    """Mend: write `profile_document` of these options to the file."""
    assert file.read_text(encoding="utf-8") == profile_document(SHIPPED[file])


@pytest.mark.parametrize("options", ALL_OPTIONS, ids=str)
def test_what_is_written_is_what_the_model_follows(options):
    """Weights, terms and packing of the YAML are those of `tier_profile`."""
    told = profile_of(options)
    model = tier_profile(fill_percent=options.fill_percent)
    weights = {each["name"]: each["weight"] for each in told["plugins"]["score"]["enabled"]}
    assert weights == {
        "TaintToleration": model.weights.taint_toleration,
        "NodeAffinity": model.weights.node_affinity,
        "InterPodAffinity": model.weights.inter_pod_affinity,
        "DynamicResources": model.weights.inter_pod_affinity,
        "NodeResourcesFit": model.weights.node_resources_fit,
        "PodTopologySpread": model.weights.pod_topology_spread,
    }
    fit, affinity = (each["args"] for each in told["pluginConfig"])
    strategy = fit["scoringStrategy"]
    shape = strategy.get("requestedToCapacityRatio", {}).get("shape", [])
    assert strategy["type"] == model.strategy.type
    assert [(each["name"], each["weight"]) for each in strategy["resources"]] == list(
        model.strategy.resources
    )
    assert [(point["utilization"], point["score"]) for point in shape] == [
        (point.utilisation_percent, point.score) for point in model.strategy.shape
    ]
    terms = affinity["addedAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [(each["weight"], *each["preference"]["matchExpressions"]) for each in terms] == [
        (
            term.weight,
            {"key": ENERGY_TIER_LABEL, "operator": "In", "values": [str(tier)]},
        )
        for tier, term in enumerate(model.added_affinity.preferred)
    ]
    assert told["percentageOfNodesToScore"] == model.percentage_of_nodes_to_score


@pytest.mark.parametrize(
    ("options", "names", "lease"),
    [
        (SECOND, ["negawatt"], ("negawatt-system", "negawatt-scheduler")),
        (BESIDE_DEFAULT, ["default-scheduler", "negawatt"], ("kube-system", "kube-scheduler")),
        (
            TierProfileOptions(where=Where.CONTROL_PLANE, scheduler_name="default-scheduler"),
            ["default-scheduler"],
            ("kube-system", "kube-scheduler"),
        ),
        (
            TierProfileOptions(scheduler_name="thrifty", lease_name="l", lease_namespace="n"),
            ["thrifty"],
            ("n", "l"),
        ),
    ],
)
def test_each_place_has_its_profiles_and_its_lease(options, names, lease):
    """A configuration that names profiles replaces the default one, so it must name that too."""
    document = yaml.safe_load(profile_document(options))
    election = document["leaderElection"]
    assert [profile["schedulerName"] for profile in document["profiles"]] == names
    assert (election["resourceNamespace"], election["resourceName"]) == lease
    in_pod = options.where is Where.SECOND
    assert ("kubeconfig" in document["clientConnection"]) is not in_pod


@pytest.mark.parametrize(
    "changed",
    [
        {"usage_ratio": 0.0},
        {"usage_ratio": 1.1},
        {"usage_ratio": float("nan")},
        {"percentage_of_nodes_to_score": 101},
        {"scheduler_name": "two words"},
        {"scheduler_name": "12"},
        {"lease_name": "a: b"},
        {"lease_name": "a..b"},
        {"lease_name": "a.-b"},
        {"lease_name": "a" * 64},
        {"lease_namespace": "a.b"},
    ],
)
def test_what_kube_scheduler_could_not_read_is_refused(changed):
    """In one line."""
    with pytest.raises(InputError):
        TierProfileOptions(**changed)


@pytest.mark.parametrize("word", ["true", "null", "yes", "on", "no", "off", "y", "n"])
def test_a_name_that_yaml_has_a_meaning_for_stays_a_name(word):
    """Also in YAML 1.1, which kube-scheduler reads: Python's parser alone would not notice y."""
    options = TierProfileOptions(scheduler_name=word, lease_name=word, lease_namespace=word)
    text = profile_document(replace(options, label=word, values_of_tier={0: (word,)}))
    document = yaml.safe_load(text)
    assert [profile["schedulerName"] for profile in document["profiles"]] == [word]
    assert document["leaderElection"]["resourceName"] == word
    assert document["leaderElection"]["resourceNamespace"] == word
    assert not re.search(rf"(Name|Namespace|key): {word}\n", text)


@given(
    best=st.integers(0, 400),
    sums=st.lists(st.integers(0, 400), min_size=1, max_size=6),
)
def test_a_step_of_four_beats_packing_and_spreading(best, sums):
    """Whatever else is compared: 400 is a node's tier and 360 of the pod's own terms."""
    step = tier_weight(0) - tier_weight(1)
    points = WEIGHTS.node_affinity * by_maximum(np.array([best, *sums]), reverse=False)
    for total, own in zip(sums, points[1:], strict=True):
        if best >= total + step:
            assert points[0] > own + PACKING + SPREADING


@given(tiers=st.tuples(*2 * [st.integers(0, ENERGY_TIERS)]), others=st.integers(0, 300))
@pytest.mark.parametrize("weight", [50, 51, 75, 100])
def test_a_term_of_fifty_beats_every_tier(weight, tiers, others):
    """The pod's node may have no label (10 here), and other terms match everywhere."""
    wanted, other = (tier_weight(tier) for tier in tiers)
    sums = np.array([weight + wanted + others, other + others])
    points = WEIGHTS.node_affinity * by_maximum(sums, reverse=False)
    assert points[0] > points[1] + PACKING + SPREADING


def test_what_users_prefer_otherwise_is_above_tiers_at_their_strongest():
    """In kube-scheduler's proportions."""
    strongest = 100 * WEIGHTS.node_affinity + PACKING + SPREADING
    assert 100 * WEIGHTS.inter_pod_affinity > strongest
    assert 2 * WEIGHTS.taint_toleration == 3 * WEIGHTS.inter_pod_affinity


@pytest.mark.parametrize(
    ("weight", "winner"),
    [(1, "good"), (4, "full"), (5, "dear"), (49, "dear")],
)
def test_a_weaker_term_is_traded_against_tiers(weight, winner):
    """A term of 4 is worth one step: packing decides between the two."""
    expression = Requirement("node", Operator.IN, ("dear",))
    term = NodeSelectorTerm(match_expressions=(expression,))
    preferred = NodeAffinity(preferred=(PreferredNodeTerm(weight=weight, term=term),))
    task = pod(10, 10, affinity=Affinity(node=preferred))
    nodes = [
        node("good", labels={ENERGY_TIER_LABEL: "3"}),
        node("dear", labels={ENERGY_TIER_LABEL: "4", "node": "dear"}),
        node("full", labels={ENERGY_TIER_LABEL: "3"}),
    ]
    table = table_of(nodes, {"full": [pod(3000, 8000)]} if winner == "full" else {})
    placement = schedule_one(table, task, tier_profile(), TieState())
    assert placement is not None
    assert placement.node_name == winner


def test_nodes_are_filled_to_where_they_are_efficient():
    """Up to 60 %, then the next one of the tier; a dearer tier only when both are full."""
    nodes = [node(name, 10_000, labels={ENERGY_TIER_LABEL: "0"}) for name in ("a", "b")]
    nodes.append(node("dear", 10_000, labels={ENERGY_TIER_LABEL: "1"}))
    table, state = table_of(nodes), TieState()
    for _ in range(21):
        placement = schedule_one(table, pod(1000), tier_profile(fill_percent=60), state)
        table.assign(pod(1000), placement.index)
        if table.requested_cpu_millicores.sum() == 12_000:
            assert table.requested_cpu_millicores.tolist() == [6000, 6000, 0]
    assert table.requested_cpu_millicores.tolist() == [10_000, 10_000, 1000]


@pytest.mark.parametrize(
    ("usage_ratio", "percent"), [(1.0, 70), (0.8, 88), (0.75, 100), (0.5, 100), (1e-320, 100)]
)
def test_the_less_pods_use_the_fuller_nodes_may_be(usage_ratio, percent):
    """By requests, of which they use that part."""
    assert efficient_fill_percent(usage_ratio) == percent


def test_a_fill_without_room_above_it_is_packing():
    """And one that no node could be begun by is refused."""
    assert packing(95).type is ScoringStrategyType.MOST_ALLOCATED
    assert packing(90).type is ScoringStrategyType.REQUESTED_TO_CAPACITY_RATIO
    with pytest.raises(InputError):
        packing(0)
