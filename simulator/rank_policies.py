"""Which policies the rank suite compares, and which variants its ablations ask about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.policies import LABEL, POLICIES
from simulator.policy import MOVES

# In the order of the tables. Those that do not exist are left out.
_RANKED = (
    LABEL,
    "most-allocated",
    "fill-cost",
    "envelope",
    "bid-price",
    "negawatt",
    f"{LABEL}{MOVES}0.5",
    f"negawatt{MOVES}0.25",
    f"negawatt{MOVES}0.5",
    f"negawatt{MOVES}1",
)
# A program solved for every pod takes thirty times as long as a rule: these policies run where a
# queue is visible, and elsewhere only where the grid asks two settings of 20/30/10.
SLOW_POLICIES = ("bid-price", "bid-price-mix", "booking-limit")


def exists(policy: str) -> bool:
    """Whether there is a policy of the name."""
    return policy.partition(MOVES)[0] in POLICIES


RANKED_POLICIES = tuple(name for name in _RANKED if exists(name))


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


ABLATIONS = tuple(
    one
    for one in (
        *_question(
            "How often are prices solved?",
            QUEUES,
            {"every pod": "bid-price", "every few pods, whole pods booked": "booking-limit"},
        ),
        *_question(
            "What do prices expect under churn?",
            ("churn",),
            {"nothing but the pod": "bid-price", "the recent mix": "bid-price-mix"},
        ),
    )
    if exists(one.policy)
)
