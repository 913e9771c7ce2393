"""The workloads of a sandbox with a forecaster: Deployments whose traffic is replayed.

Only the shapes of the traces count: each is scaled to a peak that a few replicas of a simulated
service answer. The traces are real, everything that the workloads make of them is simulated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from energy.errors import UnavailableError
from forecaster.evaluation.traces import Trace, read_trace
from simulator.sandbox.forecast_names import CONTAINER, KIND, PRESS, SHOP
from simulator.traffic import MINUTES_PER_DAY, FloatArray, Replay, TrafficTrace
from simulator.traffic_service import ServiceModel, drifting_cost_ratios

#: They travel with the forecaster.
TRACES = Path(__file__).resolve().parents[2] / "forecaster" / "data" / "traces"
NAMESPACE_LABEL = "negawatt.dev/replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Casting:
    """Which trace plays which workload, at which peak."""

    trace: str
    namespace: str
    name: str
    peak_requests_per_second: float


CAST = (
    Casting(trace="mongo-01", namespace=SHOP, name="web", peak_requests_per_second=400.0),
    Casting(trace="ingress-03", namespace=SHOP, name="orders", peak_requests_per_second=250.0),
    Casting(trace="nasa-august", namespace=PRESS, name="site", peak_requests_per_second=150.0),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplayedWorkload:
    """A Deployment and its traffic.

    Attributes:
        replay: its requests/s beside the clock.
        model: one replica of it.
        replicas: that it is created with.
        cost_ratio: what a request costs in each minute of the trace.
    """

    namespace: str
    name: str
    replay: Replay
    model: ServiceModel
    replicas: int
    cost_ratio: FloatArray = field(repr=False)

    @property
    def key(self) -> str:
        """As it is called on the stream."""
        return f"{self.namespace}/{KIND}/{self.name}"


def replayed_workloads(
    start_seconds: float, *, traces: Path = TRACES, cast: Sequence[Casting] = CAST
) -> tuple[ReplayedWorkload, ...]:
    """Prepare the workloads of a sandbox that begins at a Unix time.

    Raises:
        UnavailableError: this installation has no traces.
        InputError: one of them cannot be read.
    """
    return tuple(_workload(casting, start_seconds, traces) for casting in cast)


def traffic_of(trace: Trace) -> TrafficTrace:
    """A trace of the forecaster from its first midnight on; an outage has no requests."""
    cut = -(trace.first_minute - 1) % MINUTES_PER_DAY
    return TrafficTrace(
        name=trace.name,
        requests_per_second=np.nan_to_num(trace.values[cut:]),
        first_minute=trace.first_minute + cut,
    )


def read_traffic(name: str, traces: Path = TRACES) -> TrafficTrace:
    """Read a trace by its name. Raises as `replayed_workloads`."""
    files = [traces / f"{name}{ending}" for ending in (".csv.gz", ".csv")]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise UnavailableError(
            f"there is no trace {name} to replay", where=str(traces), mend="reinstall Negawatt"
        )
    return traffic_of(read_trace(found))


def _workload(casting: Casting, start_seconds: float, traces: Path) -> ReplayedWorkload:
    peak = casting.peak_requests_per_second
    trace, model = read_traffic(casting.trace, traces).scaled_to_peak(peak), ServiceModel()
    return ReplayedWorkload(
        namespace=casting.namespace,
        name=casting.name,
        replay=Replay.beginning(trace, start_seconds),
        model=model,
        replicas=model.replicas_for(peak),
        cost_ratio=drifting_cost_ratios(len(trace.requests_per_second), trace.name),
    )


def manifests(workloads: Iterable[ReplayedWorkload]) -> list[dict[str, object]]:
    """Namespaces, and a Deployment and a Service for each workload."""
    chosen = tuple(workloads)
    namespaces: list[dict[str, object]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": _metadata(name, name)}
        for name in sorted({one.namespace for one in chosen})
    ]
    for one in chosen:
        namespaces += [_deployment(one), _service(one)]
    return namespaces


def _metadata(name: str, namespace: str) -> dict[str, object]:
    found: dict[str, object] = {"name": name, "labels": {NAMESPACE_LABEL: "true"}}
    return found if name == namespace else {**found, "namespace": namespace}


def _deployment(workload: ReplayedWorkload) -> dict[str, object]:
    selected = {"app": workload.name}
    usual = float(np.mean(workload.replay.trace.requests_per_second)) / workload.replicas
    cores = workload.model.cpu_idle_cores + usual * workload.model.cpu_seconds_per_request
    # By the pod's annotation KWOK and the power meter know what it uses: the trace's mean.
    used = {"kwok.x-k8s.io/usage-cpu": f"{round(cores * 1000)}m"}
    requests: Mapping[str, str] = {"cpu": "300m", "memory": "512Mi"}
    container = {"name": CONTAINER, "image": "none", "resources": {"requests": requests}}
    return {
        "apiVersion": "apps/v1",
        "kind": KIND,
        "metadata": _metadata(workload.name, workload.namespace),
        "spec": {
            "replicas": workload.replicas,
            "selector": {"matchLabels": selected},
            "template": {
                "metadata": {"labels": selected, "annotations": used},
                "spec": {"containers": [container]},
            },
        },
    }


def _service(workload: ReplayedWorkload) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(workload.name, workload.namespace),
        "spec": {"selector": {"app": workload.name}, "ports": [{"port": 80}]},
    }
