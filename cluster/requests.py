"""What a pod asks of its node, from the requests of its containers.

Source: k8s.io/component-helpers v0.36 resource/helpers.go (PodRequests). Amounts stay exact
quantities until the end, because rounding each container up would ask for more than Kubernetes
counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cluster.model import UNSTATED_CPU_MILLICORES, UNSTATED_MEMORY_BYTES, Resources
from cluster.quantities import Format, Quantity
from energy.errors import InputError

Quantities = Mapping[str, Quantity]

# A container that states no request counts with these in scores; a stated zero stays zero.
_UNSTATED: Quantities = {
    "cpu": Quantity(UNSTATED_CPU_MILLICORES, -3, Format.DECIMAL_SI),
    "memory": Quantity(UNSTATED_MEMORY_BYTES, 0, Format.BINARY_SI),
}
_POD_LEVEL = {"cpu", "memory"}
_HUGE_PAGES = "hugepages-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRequests:
    """A container's requests by resource name.

    `restartable` marks an init container that keeps running beside the others (a sidecar,
    restartPolicy Always).
    """

    requests: Quantities = field(default_factory=dict)
    restartable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveRequests:
    """What decides whether a pod fits, and what scores count; see the fields of `Pod`.

    `scored_requests` differ from `nonzero_requests` only for pods with requests of their own:
    kube-scheduler 1.36 leaves those out of NodeResourcesFit's score while it places the pod.
    """

    requests: Resources
    nonzero_requests: Resources
    scored_requests: Resources


def effective_requests(
    containers: Iterable[ContainerRequests],
    init_containers: Iterable[ContainerRequests] = (),
    *,
    overhead: Quantities | None = None,
    pod_level: Quantities | None = None,
) -> EffectiveRequests:
    """A pod's requests.

    Containers and sidecars run together, so they add up; init containers run one after the
    other beside the sidecars before them, so the greatest counts. CPU, memory and huge pages
    of the pod's own `resources` replace the sum; overhead comes on top.

    Raises:
        InputError: if an amount is negative or does not fit 64 bits.
    """
    running, starting = list(containers), list(init_containers)
    above, own = overhead or {}, _supported(pod_level or {})

    def total(unstated: Quantities, of_pod: Quantities) -> dict[str, Quantity]:
        amounts = {**_aggregate(running, starting, unstated), **of_pod}
        _add(amounts, above)
        return amounts

    requests = total({}, own)
    # With requests of the pod's own, only what nobody states is assumed (CalculateResource).
    unstated = {k: v for k, v in _UNSTATED.items() if not own or k not in requests}
    return EffectiveRequests(
        requests=resources_of(requests),
        nonzero_requests=resources_of(total(unstated, own)),
        scored_requests=resources_of(total(_UNSTATED, {})),
    )


def _supported(pod_level: Quantities) -> Quantities:
    """What a pod may request as a whole: CPU, memory and huge pages."""
    return {
        name: amount
        for name, amount in pod_level.items()
        if name in _POD_LEVEL or name.startswith(_HUGE_PAGES)
    }


def resources_of(amounts: Quantities) -> Resources:
    """CPU in millicores, memory in bytes, everything else in its own unit, each rounded up.

    `pods` is no request, nor part of a node's size here (see `Node.pods_max`), so it is left out.
    """
    rounded: dict[str, int] = {}
    for name, amount in amounts.items():
        whole = amount.milli_value() if name == "cpu" else amount.value()
        if whole < 0:
            raise InputError(f"{name} {amount.canonical()} is negative")
        rounded[name] = whole
    rounded.pop("pods", None)
    return Resources(
        cpu_millicores=rounded.pop("cpu", 0),
        memory_bytes=rounded.pop("memory", 0),
        extended=rounded,
    )


def largest(*stages: Quantities) -> dict[str, Quantity]:
    """The greatest amount of each resource, as a container has while it is resized in place.

    Stages are its spec, what it holds and what it was promised; where the resize was found
    infeasible, the spec is left out (determineEffectiveRequests).
    """
    result: dict[str, Quantity] = {}
    for stage in stages:
        _raise_to(result, stage)
    return result


def _aggregate(
    containers: list[ContainerRequests],
    init_containers: list[ContainerRequests],
    unstated: Quantities,
) -> dict[str, Quantity]:
    together: dict[str, Quantity] = {}
    for container in containers:
        _add(together, {**unstated, **container.requests})
    sidecars: dict[str, Quantity] = {}
    starting: dict[str, Quantity] = {}
    for container in init_containers:
        stated = {**unstated, **container.requests}
        if container.restartable:
            _add(together, stated)
            _add(sidecars, stated)
            _raise_to(starting, sidecars)
        else:
            stage = dict(sidecars)
            _add(stage, stated)
            _raise_to(starting, stage)
    _raise_to(together, starting)
    return together


def _add(total: dict[str, Quantity], more: Quantities) -> None:
    for name, amount in more.items():
        total[name] = total[name] + amount if name in total else amount


def _raise_to(total: dict[str, Quantity], floor: Quantities) -> None:
    for name, amount in floor.items():
        if name not in total or amount.exact > total[name].exact:
            total[name] = amount
