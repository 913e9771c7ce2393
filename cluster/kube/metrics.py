"""What metrics.k8s.io (usually metrics-server) says nodes and pods use.

The API knows neither pages nor watches, so it is asked anew each time; pods are asked for by
namespace, because all pods of a large cluster are an answer of tens of megabytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from kubernetes.client import ApiClient, CustomObjectsApi
from pydantic import AwareDatetime, Field, ValidationError

from cluster.kube.client import JsonObject, KubeClient, Resource
from cluster.kube.errors import KubeError, NotFoundError
from cluster.kube.informer import object_key
from cluster.kube.wire import Metadata, Quantities, Wire
from cluster.quantities import parse
from energy.errors import InputError

GROUP: Final = "metrics.k8s.io"
_VERSION: Final = "v1beta1"
# Go's time.Duration as text: 15.2s, 1m0s, 500ms.
_DURATION: Final = re.compile(r"(?:([0-9.]+)h)?(?:([0-9.]+)m(?!s))?(?:([0-9.]+)s)?(?:([0-9.]+)ms)?")
_SECONDS: Final = (3600.0, 60.0, 1.0, 0.001)
_PAGE_OBJECTS_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredUse:
    """What a node, or all containers of a pod, used on average over a window.

    Attributes:
        namespace: empty for a node.
        sampled_at_seconds: the window's end, Unix time.
        window_seconds: its length.
    """

    name: str
    cpu_cores: float
    memory_bytes: int
    sampled_at_seconds: float
    window_seconds: float
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredUses:
    """An answer of the metrics API, or why there is none.

    Attributes:
        installed: whether the API server knows this API at all.
        error: why nothing was read; None if it was, or if the API is not installed.
        doubts: what could not be understood, one line each.
    """

    uses: tuple[MeasuredUse, ...] = ()
    installed: bool = True
    error: KubeError | None = None
    doubts: tuple[str, ...] = ()


class _Container(Wire):
    usage: Quantities = Field(default_factory=dict)


class _Metrics(Wire):
    metadata: Metadata
    timestamp: AwareDatetime
    window: str = ""
    usage: Quantities | None = None
    containers: tuple[_Container, ...] = ()


def node_uses(client: KubeClient) -> MeasuredUses:
    """Return what each node uses. A failure is a value: this is one link of a chain."""
    return _read(client, _resource("nodes"))


def pod_uses(client: KubeClient, namespace: str) -> MeasuredUses:
    """Return what each pod of a namespace uses. A failure is a value."""
    return _read(client, _resource("pods", namespace))


def _resource(plural: str, namespace: str = "") -> Resource:
    def endpoint(api: ApiClient) -> Callable[..., object]:
        custom = CustomObjectsApi(api)
        if namespace:
            return partial(custom.list_namespaced_custom_object, GROUP, _VERSION, namespace, plural)
        return partial(custom.list_cluster_custom_object, GROUP, _VERSION, plural)

    return Resource(plural=plural, endpoint=endpoint, group=GROUP)


def _read(client: KubeClient, resource: Resource) -> MeasuredUses:
    uses: list[MeasuredUse] = []
    doubts: list[str] = []
    try:
        for page in client.pages(resource, page_objects_max=_PAGE_OBJECTS_MAX):
            for item in page.items:
                try:
                    uses.append(read_use(item))
                except (ValidationError, InputError, ArithmeticError) as error:
                    doubts.append(f"metrics of {object_key(item)}: {_why(error)}")
    except NotFoundError:
        return MeasuredUses(installed=False)
    except KubeError as error:
        return MeasuredUses(error=error)
    return MeasuredUses(uses=tuple(uses), doubts=tuple(doubts))


def read_use(item: JsonObject) -> MeasuredUse:
    """Read a NodeMetrics or PodMetrics object.

    Raises:
        ValidationError: it lacks a name, a time or a usage.
        InputError: an amount that is no quantity, or is negative.
    """
    metrics = _Metrics.model_validate(item)
    # A pod states its containers, a node itself; whoever states neither has not been measured.
    amounts = [each.usage for each in metrics.containers]
    if metrics.usage is not None:
        amounts.append(metrics.usage)
    if not amounts or not all(amounts):
        raise InputError("states no usage")
    return MeasuredUse(
        name=metrics.metadata.name,
        namespace=metrics.metadata.namespace,
        cpu_cores=sum(_amount(each, "cpu") for each in amounts),
        memory_bytes=int(sum(_amount(each, "memory") for each in amounts)),
        sampled_at_seconds=metrics.timestamp.timestamp(),
        window_seconds=_duration_seconds(metrics.window),
    )


def _amount(amounts: Quantities, name: str) -> float:
    if name not in amounts:
        raise InputError(f"states no {name}")
    amount = float(parse(str(amounts[name])).exact)
    if amount < 0:
        raise InputError(f"states {amount:g} of {name}")
    return amount


def _duration_seconds(text: str) -> float:
    """Read Go's text of a duration; 0 where there is none or it is another thing."""
    parts = _DURATION.fullmatch(text)
    if parts is None:
        return 0.0
    try:
        numbers = [float(part or 0) for part in parts.groups()]
    except ValueError:  # 1.2.3s
        return 0.0
    return sum(number * unit for number, unit in zip(numbers, _SECONDS, strict=True))


def _why(error: ValidationError | InputError | ArithmeticError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    return f"{place}: {first['msg']}"
