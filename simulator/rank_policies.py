"""Which policies the rank suite compares, and which variants its ablations ask about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.policies import LABEL
from simulator.policy import MOVES
from simulator.scenarios.families import SITUATIONS

# In the order of the tables, from simple to elaborate.
RANKED_POLICIES = (
    LABEL,
    "most-allocated",
    "fill-cost",
    "marginal",
    "marginal-idle",
    "envelope",
    "lifetimes",
    "bid-price",
    "booking-limit",
    "negawatt",
    f"{LABEL}{MOVES}0.5",
    f"envelope{MOVES}0.5",
    f"negawatt{MOVES}0.25",
    f"negawatt{MOVES}0.5",
    f"negawatt{MOVES}1",
)
# Prices of a queue say nothing where pods come one by one, and the others take long: these run in
# fewer cells (`simulator.rank_grid.sparse_settings`).
SLOW_POLICIES = (
    "bid-price",
    "bid-price-mix",
    "booking-limit",
    "lifetimes",
    f"{LABEL}{MOVES}0.5",
    f"negawatt{MOVES}1",
)
# Lifetimes have little to say where pods stay.
_QUEUES_MOSTLY = (*SITUATIONS["bursts"], *SITUATIONS["failures and drains"])
ONLY_IN: Mapping[str, tuple[str, ...]] = {
    "bid-price": _QUEUES_MOSTLY,
    "booking-limit": _QUEUES_MOSTLY,
    "lifetimes": SITUATIONS["churn"],
}


def runs_in(policy: str, family: str) -> bool:
    """Whether a policy is ranked in a family."""
    return policy not in ONLY_IN or family in ONLY_IN[policy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """A variant of a rule: what it asks, what was changed, and where it is run."""

    question: str
    label: str
    policy: str
    families: tuple[str, ...]


QUEUES = ("standard", "burst-200")
CHURN = ("churn", "churn-openb", "replicas")


def _question(
    question: str, families: tuple[str, ...], variants: Mapping[str, str]
) -> tuple[Ablation, ...]:
    return tuple(
        Ablation(question=question, label=label, policy=policy, families=families)
        for label, policy in variants.items()
    )


ABLATIONS = (
    *_question(
        "How often is a queue's program solved?",
        QUEUES,
        {
            "bookings, every 20 pods": "negawatt",
            "bookings, once": "negawatt:once",
            "bookings, every pod": "negawatt:every-pod",
            "prices, every 20 pods": "negawatt:prices",
            "prices, once": "negawatt:prices-once",
        },
    ),
    *_question(
        "What demand does it know?",
        QUEUES,
        {
            "the queue": "negawatt",
            "30 % too little": "negawatt:demand-0.7",
            "30 % too much": "negawatt:demand-1.3",
            "the mix of the past, in the queue's size": "negawatt:demand-past",
            "none": "negawatt:demand-none",
        },
    ),
    *_question(
        "What does it see of pods and nodes?",
        QUEUES,
        {
            "everything": "negawatt",
            "classes merged into two": "negawatt:two-classes",
            "no memory": "negawatt:no-memory",
        },
    ),
    *_question(
        "What do prices expect under churn?",
        CHURN,
        {
            "no prices": "envelope",
            "memory at the running mix": "negawatt",
            "cores and memory, the next hour like the last": "bid-price-mix",
        },
    ),
    *_question(
        "What do lifetimes bring?",
        CHURN,
        {
            "without": "negawatt",
            "predicted": "lifetimes",
            "known": "lifetimes:known",
            "predicted for another pod": "lifetimes:shuffled",
        },
    ),
)
