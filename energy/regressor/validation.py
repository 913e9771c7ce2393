"""Predicts servers whose CPU model was not in training, by three ways of splitting.

`cross_validate`: ten folds grouped by CPU model. `validate_forward`: trained on older hardware,
tested on newer. `score_fitted`: a model that is fitted already, on whatever it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from energy.errors import InputError
from energy.regressor.facts import ServerFacts, facts_of
from energy.regressor.features import Matrix, curves_of
from energy.regressor.folds import FOLDS, MIN_TRAINING_SERVERS, cpu_folds, fold_sides, unseen
from energy.regressor.scores import Score, score
from energy.servers import CatalogueServer

__all__ = [
    "FOLDS",
    "CurveModel",
    "Evaluation",
    "cross_predict",
    "cross_validate",
    "score_fitted",
    "validate_forward",
]


class CurveModel(Protocol):
    """Learns curves of servers and predicts those of others, in watts: (servers, 11)."""

    def fit(self, servers: Sequence[CatalogueServer]) -> Self:
        """Learn from measured servers."""
        ...

    def predict(self, facts: Sequence[ServerFacts]) -> Matrix:
        """Watts at the eleven load levels, from facts alone."""
        ...


Predict = Callable[[Sequence[ServerFacts]], Matrix]
Progress = Callable[[str], None]
MakeModel = Callable[[], CurveModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Scores by model, and how many servers they are over and how many were left out."""

    scores: Mapping[str, Score]
    servers: int
    excluded: int


def facts_to_predict(servers: Sequence[CatalogueServer], *, blind: bool) -> list[ServerFacts]:
    """What the models may know of the servers: with `blind`, no watts at all."""
    facts = [facts_of(server) for server in servers]
    return [each.without_watts() for each in facts] if blind else facts


def score_fitted(
    models: Mapping[str, Predict],
    servers: Sequence[CatalogueServer],
    training_cpu_keys: Sequence[str],
    *,
    blind: bool = False,
) -> Evaluation:
    """Score fitted models on the servers whose CPU model is not in their training list."""
    kept, excluded = unseen(servers, training_cpu_keys)
    if not kept:
        return Evaluation(scores=dict.fromkeys(models, Score()), servers=0, excluded=excluded)
    facts, measured = facts_to_predict(kept, blind=blind), curves_of(kept)
    scores = {name: score(kept, measured, predict(facts)) for name, predict in models.items()}
    return Evaluation(scores=scores, servers=len(kept), excluded=excluded)


def cross_validate(
    models: Mapping[str, MakeModel],
    servers: Sequence[CatalogueServer],
    *,
    blind: bool = False,
    progress: Progress = lambda _: None,
) -> Evaluation:
    """Retrain each model in ten folds grouped by CPU model and score all servers together."""
    predicted = cross_predict(models, servers, blind=blind, progress=progress)
    measured = curves_of(servers)
    scores = {name: score(servers, measured, watts) for name, watts in predicted.items()}
    return Evaluation(scores=scores, servers=len(servers), excluded=0)


def cross_predict(
    models: Mapping[str, MakeModel],
    servers: Sequence[CatalogueServer],
    *,
    blind: bool = False,
    progress: Progress = lambda _: None,
) -> dict[str, Matrix]:
    """Watts that each model predicts for servers of its test fold: (servers, 11) by model."""
    sides = list(fold_sides(cpu_folds(servers)))
    fewest = min(len(train) for train, _ in sides)
    if fewest < MIN_TRAINING_SERVERS:
        raise InputError(
            f"a fold of these {len(servers)} servers leaves {fewest} to train on",
            mend=f"give servers of more CPU models, so that {MIN_TRAINING_SERVERS} are left",
        )
    facts = facts_to_predict(servers, blind=blind)
    predicted = {name: np.empty((len(servers), 11)) for name in models}
    for name, make in models.items():
        for train, test in sides:
            progress(name)
            model = make().fit([servers[place] for place in train])
            predicted[name][test] = model.predict([facts[place] for place in test])
    return predicted


def validate_forward(
    models: Mapping[str, MakeModel],
    servers: Sequence[CatalogueServer],
    *,
    train_until_year: int,
    test_from_year: int,
    blind: bool = False,
    progress: Progress = lambda _: None,
) -> Evaluation:
    """Train on hardware available up to a year, test on hardware from another on.

    Old servers whose CPU model is in the test are left out of training and counted as excluded.
    (Two results date a CPU years before it was sold, so the years alone would leak.)
    """
    old = [server for server in servers if server.hardware_year <= train_until_year]
    new = [server for server in servers if server.hardware_year >= test_from_year]
    new_keys = {server.cpu_key for server in new}
    old, excluded = unseen(old, new_keys)
    if len(old) < MIN_TRAINING_SERVERS:
        raise InputError(
            f"{len(old)} servers with hardware up to {train_until_year} to train on",
            mend="give a later year or a longer file",
        )
    fitted: dict[str, Predict] = {}
    for name, make in models.items():
        progress(name)
        fitted[name] = make().fit(old).predict
    evaluation = score_fitted(fitted, new, (), blind=blind)
    return replace(evaluation, excluded=excluded)
