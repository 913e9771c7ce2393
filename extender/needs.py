"""What a pod is taken to need where it does not say: its workload's use, or a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cluster.model import Pod, Resources
from cluster.quantities import parse
from energy.errors import InputError
from extender.explanation import Needs
from telemetry.workload_use import WorkloadKey, WorkloadUse, workload_of

CPU_LABEL = "negawatt.dev/expected-cpu"
MEMORY_LABEL = "negawatt.dev/expected-memory"

# Below this share of its requests in use a cluster says nothing of what a pod should request.
USAGE_RATIO_MIN = 0.01

REQUESTS, OBSERVED, LABEL, UNKNOWN = "requests", "observed", "label", "unknown"


def needs_of(pod: Pod, observed: Mapping[WorkloadKey, WorkloadUse], usage_ratio: float) -> Needs:
    """What to rank the pod by.

    Requests come first. A pod without a CPU request is taken for what its workload's pods use,
    over ``usage_ratio`` so that it compares with requests, else for what its label says.
    """
    cpu, memory = pod.requests.cpu_millicores, pod.requests.memory_bytes
    reason = "what it requests"
    if cpu > 0 and memory > 0:
        return Needs(cpu_millicores=cpu, memory_bytes=memory, source=REQUESTS, reason=reason)
    use = observed.get(workload_of(pod))
    if cpu > 0:
        if not memory and use is not None and use.memory_bytes:
            memory, reason = use.memory_bytes, f"{reason}, and the memory that its workload uses"
        return Needs(cpu_millicores=cpu, memory_bytes=memory, source=REQUESTS, reason=reason)
    if use is not None and use.cpu_millicores > 0:
        return Needs(
            cpu_millicores=round(use.cpu_millicores / max(usage_ratio, USAGE_RATIO_MIN)),
            memory_bytes=memory or use.memory_bytes,
            source=OBSERVED,
            reason=f"it requests no CPU; {use.pods} pods of its workload use "
            f"{use.cpu_millicores} millicores each",
        )
    return _by_label(pod, memory)


def _by_label(pod: Pod, memory_bytes: int) -> Needs:
    said = pod.annotations.get(CPU_LABEL) or pod.labels.get(CPU_LABEL)
    said_memory = pod.annotations.get(MEMORY_LABEL) or pod.labels.get(MEMORY_LABEL)
    if said is not None:
        try:
            cpu_millicores = parse(said).milli_value()
            memory_bytes = memory_bytes or (parse(said_memory).value() if said_memory else 0)
            Resources(cpu_millicores=cpu_millicores, memory_bytes=memory_bytes)  # refuses nonsense
        except InputError as error:
            doubt = f"; its label {CPU_LABEL} cannot be read: {error.what}"
            return _unknown(pod, memory_bytes, doubt)
        return Needs(
            cpu_millicores=cpu_millicores,
            memory_bytes=memory_bytes,
            source=LABEL,
            reason=f"it requests no CPU, and no pod of its workload was seen; {CPU_LABEL} says so",
        )
    return _unknown(pod, memory_bytes, "")


def _unknown(pod: Pod, memory_bytes: int, remark: str) -> Needs:
    # Were it nothing, all nodes would cost the same, and whatever small one is full would win.
    return Needs(
        cpu_millicores=pod.nonzero_cpu_millicores,
        memory_bytes=memory_bytes,
        source=UNKNOWN,
        reason=f"it requests no CPU, and nothing is known of its use{remark}; counted as "
        f"{pod.nonzero_cpu_millicores} millicores, as kube-scheduler's scores count it",
    )


def as_needed(pod: Pod, needs: Needs) -> Pod:
    """The pod as rules should see it: what it needs for requests, bound nowhere."""
    requests = pod.requests
    if (requests.cpu_millicores, requests.memory_bytes) != (
        needs.cpu_millicores,
        needs.memory_bytes,
    ):
        requests = Resources(
            cpu_millicores=needs.cpu_millicores,
            memory_bytes=needs.memory_bytes,
            extended=requests.extended,
        )
    if requests is pod.requests and pod.node_name is None:
        return pod
    return replace(pod, requests=requests, node_name=None)
