"""Cloud instance types: watts per virtual CPU of their CPU family, times their virtual CPUs.

The figures are a share of a whole server's wall watts at idle and at full load, by family (Cloud
Carbon Footprint's coefficients, Apache-2.0): no provider publishes measurements. They leave out
accelerators, and their trust says so.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from energy.power_curve import LOAD_LEVELS, PowerCurve
from energy.profile import NodePowerProfile, ProfileSource, Scope

#: Families with accelerators, whose watts no CPU coefficient covers.
_ACCELERATED: Final = re.compile(
    r"(p\d|g\d|inf\d|trn\d|vt\d|dl\d|f\d)[a-z\d-]*\.|a[2-4]-|g2-|Standard_N[CDVG]", re.IGNORECASE
)
ACCELERATED_TRUST: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudInstance:
    """An instance type with its share of a server; `trust` 0 stands for unusable figures."""

    provider: str
    instance_type: str
    vcpus: float
    memory_gibibytes: float
    architecture: str
    idle_watts: float
    peak_watts: float
    trust: float
    remark: str

    def profile(self, shape: tuple[float, ...], notes: tuple[str, ...]) -> NodePowerProfile:
        """Return a profile between idle and peak, along a typical shape at eleven load levels."""
        span = self.peak_watts - self.idle_watts
        watts = tuple(self.idle_watts + span * rise for rise in shape)
        trust, remarks = self.trust, [self.remark] if self.remark else []
        if _ACCELERATED.match(self.instance_type):
            trust = min(trust, ACCELERATED_TRUST)
            remarks.append("watts of accelerators are not included")
        return NodePowerProfile(
            name=f"{self.provider}-{self.instance_type}",
            curve=PowerCurve(utilisation_ratios=LOAD_LEVELS, watts=watts),
            scope=Scope.WALL,
            source=ProfileSource.CATALOGUE_INSTANCE_TYPE,
            trust=trust,
            notes=(*notes, *remarks),
        )


@lru_cache(maxsize=1)
def shipped_instances() -> Mapping[str, CloudInstance]:
    """Return all instance types that travel with the package, by name in lower case."""
    families = {
        (row["provider"], row["architecture"]): row for row in _rows("cloud_architectures.csv")
    }
    instances = {}
    for row in _rows("cloud_instances.csv"):
        family = families[row["provider"], row["architecture"]]
        vcpus = float(row["vcpus"])
        instances[row["instance_type"].lower()] = CloudInstance(
            provider=row["provider"],
            instance_type=row["instance_type"],
            vcpus=vcpus,
            memory_gibibytes=float(row["memory_gibibytes"]),
            architecture=row["architecture"],
            idle_watts=vcpus * float(family["idle_watts_per_vcpu"]),
            peak_watts=vcpus * float(family["peak_watts_per_vcpu"]),
            trust=float(family["trust"]),
            remark=family["remark"],
        )
    return MappingProxyType(instances)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with resources.files("energy").joinpath("data", name).open(encoding="utf-8") as lines:
        yield from csv.DictReader(line for line in lines if not line.startswith("#"))
