"""Figures of several seeds as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any


def mean_over_seeds(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of every figure, at whatever depth; None where a seed has none.

    The documents have the shape of the first.
    """
    return {
        key: _mean([document.get(key) for document in documents], like=value)
        for key, value in documents[0].items()
    }


def _mean(values: Sequence[Any], *, like: Any) -> Any:  # noqa: ANN401 - figures or mappings of them
    if isinstance(like, Mapping):
        return mean_over_seeds(values)
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None
