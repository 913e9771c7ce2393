"""Nodes are ranked as full as they get: by CPU, by memory, by what pods use."""

from __future__ import annotations

import pytest

from cluster.model import Resources
from extender.tiers.target import target_utilisation_ratio

GIBIBYTE = 2**30


@pytest.mark.parametrize(
    ("usage_ratio", "requested", "target"),
    [
        (0.5, None, 0.5),  # packed to the full: MostAllocated
        (1.0, None, 0.7),  # filled to the efficient load
        (0.5, 2.0, 0.5),  # memory is not short
        (0.5, 8.0, 0.25),  # half of the cores are all that memory allows
        (1.0, 5.0, 0.7),  # CPU is short first
        (1.0, 8.0, 0.5),
    ],
)
def test_the_load_of_a_full_node(
    usage_ratio: float, requested: float | None, target: float
) -> None:
    """A node of 10 cores and 40 GiB."""
    size = Resources(cpu_millicores=10_000, memory_bytes=40 * GIBIBYTE)
    found = target_utilisation_ratio(
        size, usage_ratio=usage_ratio, requested_gibibytes_per_core=requested
    )
    assert found == pytest.approx(target)
