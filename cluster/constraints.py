"""What a pod may ask of its node and of its neighbours, and what a node may refuse: as values.

They mirror k8s.io/api core/v1 (v0.36) field by field. All are hashable, so that whatever is
computed from a set of constraints can be kept for the next pod with the same set.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.selectors import LabelSelector, Operator, Requirement
from energy.errors import InputError

HOSTNAME_LABEL = "kubernetes.io/hostname"
ZONE_LABEL = "topology.kubernetes.io/zone"
REGION_LABEL = "topology.kubernetes.io/region"
MAX_PREFERENCE_WEIGHT = 100


class TaintEffect(StrEnum):
    """What a taint does to a pod that does not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's refusal of pods that do not tolerate it."""

    key: str
    value: str = ""
    effect: TaintEffect = TaintEffect.NO_SCHEDULE


class TolerationOperator(StrEnum):
    """How a toleration compares its value with a taint's."""

    EQUAL = "Equal"
    EXISTS = "Exists"


@dataclass(frozen=True, slots=True)
class Toleration:
    """A pod's acceptance of taints.

    An empty key with Exists tolerates everything; `effect` None tolerates every effect.
    """

    key: str = ""
    operator: TolerationOperator = TolerationOperator.EQUAL
    value: str = ""
    effect: TaintEffect | None = None

    def tolerates(self, taint: Taint) -> bool:
        """Whether this toleration covers `taint` (core/v1 Toleration.ToleratesTaint)."""
        if self.effect is not None and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        return self.operator is TolerationOperator.EXISTS or self.value == taint.value


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSelectorTerm:
    """Expressions on a node's labels and fields that must all hold.

    An empty term matches no node. The only field is `metadata.name`.
    """

    match_expressions: tuple[Requirement, ...] = ()
    match_fields: tuple[Requirement, ...] = ()

    def __post_init__(self) -> None:
        for field in self.match_fields:
            one_value = len(field.values) == 1 and field.operator in {Operator.IN, Operator.NOT_IN}
            if field.key != "metadata.name" or not one_value:
                raise InputError("a matchField is In or NotIn with one value of metadata.name")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredNodeTerm:
    """A term that adds `weight` (1 to 100) to the score of the nodes that it matches."""

    weight: int
    term: NodeSelectorTerm

    def __post_init__(self) -> None:
        _check_weight(self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAffinity:
    """Where a pod must run (any one of `required`; None: anywhere) and where it prefers to."""

    required: tuple[NodeSelectorTerm, ...] | None = None
    preferred: tuple[PreferredNodeTerm, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PodAffinityTerm:
    """Pods that an incoming pod wants in, or out of, its own topology domain.

    Without `namespaces` and `namespace_selector` the term means the pod's own namespace.
    `match_label_keys` are merged into the selector by the API server, as they are here.
    """

    topology_key: str
    label_selector: LabelSelector | None = None
    namespaces: frozenset[str] = frozenset()
    namespace_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.topology_key:
            raise InputError("a pod affinity term needs a topology key")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedPodAffinityTerm:
    """A pod affinity term that is preferred with `weight` (1 to 100)."""

    weight: int
    term: PodAffinityTerm

    def __post_init__(self) -> None:
        _check_weight(self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodAffinity:
    """Terms of pod affinity or of pod anti-affinity."""

    required: tuple[PodAffinityTerm, ...] = ()
    preferred: tuple[WeightedPodAffinityTerm, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity:
    """A pod's affinities."""

    node: NodeAffinity | None = None
    pod: PodAffinity | None = None
    pod_anti: PodAffinity | None = None


class WhenUnsatisfiable(StrEnum):
    """Whether a spread constraint forbids a node or only counts against it."""

    DO_NOT_SCHEDULE = "DoNotSchedule"
    SCHEDULE_ANYWAY = "ScheduleAnyway"


class InclusionPolicy(StrEnum):
    """Whether node affinity (or taints) decide which nodes count for a spread constraint."""

    HONOUR = "Honor"
    IGNORE = "Ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologySpreadConstraint:
    """How evenly the pods of a selector spread over the domains of `topology_key`."""

    topology_key: str
    max_skew: int = 1
    when_unsatisfiable: WhenUnsatisfiable = WhenUnsatisfiable.DO_NOT_SCHEDULE
    label_selector: LabelSelector | None = None
    min_domains: int = 1
    node_affinity_policy: InclusionPolicy = InclusionPolicy.HONOUR
    node_taints_policy: InclusionPolicy = InclusionPolicy.IGNORE
    match_label_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.topology_key:
            raise InputError("a topology spread constraint needs a topology key")
        if self.max_skew < 1 or self.min_domains < 1:
            raise InputError(
                "maxSkew and minDomains are at least 1", where=f"spread over {self.topology_key}"
            )


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port that a pod takes on its node. Without `host_ip` it takes it on every address."""

    port: int
    protocol: str = "TCP"
    host_ip: str = "0.0.0.0"  # noqa: S104 - Kubernetes' own default, nothing is bound here

    def __post_init__(self) -> None:
        last_port = 65535
        if not 1 <= self.port <= last_port:
            raise InputError(f"host port {self.port} is not between 1 and {last_port}")


def _check_weight(weight: int) -> None:
    if not 1 <= weight <= MAX_PREFERENCE_WEIGHT:
        raise InputError(f"a preference's weight is 1 to {MAX_PREFERENCE_WEIGHT}, not {weight}")
