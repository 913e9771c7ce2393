"""Splits servers so that no CPU model is on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from energy.errors import InputError
from energy.servers import CatalogueServer

FOLDS = 10
#: An estimator needs two points at least.
MIN_TRAINING_SERVERS = 2


def cpu_folds(
    servers: Sequence[CatalogueServer], *, folds: int = FOLDS, seed: int = 0
) -> list[int]:
    """Number each server's fold; servers of one CPU model share theirs, folds are of like size."""
    group_of = _groups({server.cpu_key for server in servers})
    counts = Counter(group_of[server.cpu_key] for server in servers)
    if len(counts) < 2:  # noqa: PLR2004 - two sides need two models
        raise InputError(
            f"{len(counts)} CPU model{'' if len(counts) == 1 else 's'} cannot be cross-validated",
            mend="give servers of two CPU models at least",
        )
    keys = sorted(counts)
    np.random.default_rng(seed).shuffle(keys)
    keys.sort(key=lambda key: -counts[key])
    sizes = [0] * min(folds, len(keys))
    fold_of: dict[str, int] = {}
    for key in keys:
        fold_of[key] = smallest = int(np.argmin(sizes))
        sizes[smallest] += counts[key]
    return [fold_of[group_of[server.cpu_key]] for server in servers]


def fold_sides(fold_numbers: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the places of training and test servers, fold by fold."""
    for fold in sorted(set(fold_numbers)):
        train = [place for place, number in enumerate(fold_numbers) if number != fold]
        yield train, [place for place, number in enumerate(fold_numbers) if number == fold]


def unseen(
    servers: Iterable[CatalogueServer], training_cpu_keys: Iterable[str]
) -> tuple[list[CatalogueServer], int]:
    """Return the servers whose CPU model is not in a training list, and how many were left out."""
    everything, training = list(servers), frozenset(training_cpu_keys)
    group_of = _groups({server.cpu_key for server in everything} | training)
    seen = {group_of[key] for key in training}
    kept = [server for server in everything if group_of[server.cpu_key] not in seen]
    return kept, len(everything) - len(kept)


def _groups(cpu_keys: Iterable[str]) -> dict[str, str]:
    """Return the group of each key: a bare number ("8380") may be any maker's, so it joins them."""
    keys = frozenset(cpu_keys)
    bare = {key for key in keys if " " not in key}
    numbers = {key: key.partition(" ")[2] for key in keys}
    return {key: number if number in bare else key for key, number in numbers.items()}
