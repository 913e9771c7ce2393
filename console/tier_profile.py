"""What `negawatt extender tiers profile` is told, as the options of the generated profile."""

from __future__ import annotations

from dataclasses import replace

from console.tier_plan import planned
from energy.errors import InputError
from extender.tiers.profile import TierProfileOptions, Where
from extender.tiers.settings import TiersSettings


def place(text: str) -> Where:
    """Which kube-scheduler is meant.

    Raises:
        InputError: there is no such.
    """
    try:
        return Where(text)
    except ValueError:
        raise InputError(
            f"there is no scheduler {text!r}", where="--where", mend=f"use {', '.join(Where)}"
        ) from None


def by_label(key: str, options: TierProfileOptions, settings: TiersSettings) -> TierProfileOptions:
    """The options with the values that a label has on each tier's nodes, as of now.

    Raises:
        InputError: the label does not tell the tiers of this cluster apart.
        KubeError: the cluster cannot be read.
    """
    found = planned(settings)
    for each in found.telling:
        if each.key == key:
            return replace(options, label=key, values_of_tier=each.values_of_tier)
    others = ", ".join(each.key for each in found.telling)
    raise InputError(
        f"label {key} does not tell the tiers of these nodes apart",
        where="--by-label",
        mend=f"use {others}" if others else "let `negawatt extender tiers` label them",
    )
