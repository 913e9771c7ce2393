"""Three hours of what exporters say of workloads, made at once: blocks of a real Prometheus.

The texts follow the exporters' documented names (see `telemetry.traffic.presets`). Everything is
scraped every 15 s, kube-state-metrics and cAdvisor by two jobs.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scraped_prometheus import prometheus

SCRAPE_SECONDS = 15
HOURS = 3

Value = Callable[[int], float | None]


@dataclass(frozen=True)
class History:
    """A Prometheus with a past: minutes from the first to the last have everything."""

    url: str
    minute_first: int
    minute_last: int


def counter(per_second: float, *, reset_at: int | None = None) -> Value:
    """Grow steadily; begin anew at a time."""

    def value(at_seconds: int) -> float:
        if reset_at is not None and at_seconds >= reset_at:
            return per_second * (at_seconds - reset_at)
        return per_second * (at_seconds % 10_000_000)

    return value


def constant(number: float) -> Value:
    """Stay."""
    return lambda _at_seconds: number


@contextmanager
def history(
    folder: Path, series: Mapping[str, Value], *, end_minute: int, minutes: int, step: int = 15
) -> Iterator[str]:
    """Run a Prometheus whose past has these series; give its address."""
    folder.mkdir(parents=True, exist_ok=True)
    write_blocks(folder, series, end_minute=end_minute, minutes=minutes, step=step)
    with prometheus(folder, arguments=("--storage.tsdb.retention.time=30d",)) as url:
        yield url


def write_blocks(
    folder: Path, series: Mapping[str, Value], *, end_minute: int, minutes: int, step: int
) -> None:
    """Have promtool write what a Prometheus in that folder will find."""
    text = folder / "history.txt"
    times = range((end_minute - minutes) * 60, end_minute * 60 + 1, step)
    with text.open("w") as stream:
        families: dict[str, list[tuple[str, Value]]] = {}
        for name, value in series.items():
            families.setdefault(name.partition("{")[0], []).append((name, value))
        for family in families.values():
            for name, value in family:
                stream.writelines(
                    f"{name} {number!r} {at}\n".replace(" nan ", " NaN ").replace(" inf ", " +Inf ")
                    for at in times
                    if (number := value(at)) is not None
                )
        stream.write("# EOF\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", text, folder / "data"],
        check=True,
        capture_output=True,
    )
    text.unlink()


def whole_history(folder: Path) -> Iterator[History]:
    """What the presets' tests ask: every exporter, until the last whole minute."""
    end_minute = int(time.time() // 60)
    minutes = HOURS * 60
    with history(folder, exporters(end_minute), end_minute=end_minute, minutes=minutes) as url:
        yield History(url, end_minute - minutes + 5, end_minute)


def exporters(end_minute: int) -> dict[str, Value]:
    """All series, by exporter."""
    return {
        **_twice(_kube_state_metrics()),
        **_twice(_cadvisor()),
        **_ingress_nginx(),
        **_istio(),
        **_envoy_gateway(),
        **_traefik(),
        **_own(end_minute),
        **_without_honor_labels(),
    }


def _twice(series: Mapping[str, Value]) -> dict[str, Value]:
    return {
        name.replace("{", f'{{job="{job}",instance="{job}:8080",', 1): value
        for name, value in series.items()
        for job in ("one", "other")
    }


# pod -> kind and name of its owner, address, whether it is on the host's network
PODS = {
    "web-7d-a": ("ReplicaSet", "web-7d", "10.0.0.1", "false"),
    "web-7d-b": ("ReplicaSet", "web-7d", "10.0.0.2", "false"),
    "cart-0": ("StatefulSet", "cart", "10.0.0.3", "false"),
    "solo-x": ("ReplicaSet", "solo", "10.0.0.4", "false"),
    "import-x": ("Job", "import", "10.0.0.5", "false"),
    "bare": ("", "", "10.0.0.6", "false"),
    "agent-x": ("DaemonSet", "agent", "10.1.0.1", "true"),
}


# EndpointSlice -> its pod: of a Service, by a name of its own, of a Service that is not there
SLICES = {"sliced-x7k2p": "cart-0", "cart-by-hand": "web-7d-a", "gone-x7k2p": "web-7d-a"}


def _kube_state_metrics() -> dict[str, Value]:
    said = []
    for pod, (kind, owner, address, on_host) in PODS.items():
        of = f'namespace="shop",pod="{pod}",uid="uid-{pod}"'
        is_controller = f'owner_is_controller="{"true" if owner else ""}"'
        said += [
            f'kube_pod_owner{{{of},owner_kind="{kind}",owner_name="{owner}",{is_controller}}}',
            f'kube_pod_info{{{of},pod_ip="{address}",host_network="{on_host}"}}',
            f'kube_pod_status_phase{{{of},phase="Running"}}',
        ]
    of = 'kube_replicaset_owner{namespace="shop",'
    owner = 'owner_kind="Deployment",owner_name="web",owner_is_controller="true"}'
    said += [
        f'{of}replicaset="web-7d",{owner}',
        of + 'replicaset="solo",owner_kind="",owner_name="",owner_is_controller=""}',
        'kube_service_info{namespace="shop",service="web-svc",cluster_ip="10.2.0.1"}',
        'kube_service_info{namespace="shop",service="cart",cluster_ip="10.2.0.2"}',
        'kube_endpoint_address{namespace="shop",endpoint="web-svc",ip="10.0.0.1",ready="true"}',
        'kube_endpoint_address{namespace="shop",endpoint="web-svc",ip="10.0.0.2",ready="true"}',
        'kube_service_info{namespace="shop",service="sliced",cluster_ip="10.2.0.3"}',
        *(
            f'kube_endpointslice_endpoints{{namespace="shop",endpointslice="{slice_name}",'
            f'ready="true",targetref_kind="Pod",targetref_name="{pod}",address="10.0.0.9"}}'
            for slice_name, pod in SLICES.items()
        ),
    ]
    series = dict.fromkeys(said, constant(1))
    # A pod that has ended names the address that web-7d-a has now.
    gone = 'namespace="shop",pod="gone",uid="uid-gone"'
    series[f'kube_pod_info{{{gone},pod_ip="10.0.0.1",host_network="false"}}'] = constant(1)
    series[f'kube_pod_status_phase{{{gone},phase="Running"}}'] = constant(0)
    for kind, name, ready in (
        ("deployment_status_replicas", "web", 2),
        ("deployment_status_replicas", "api", 1),
        ("statefulset_status_replicas", "cart", 1),
        ("daemonset_status_number", "agent", 3),
    ):
        label = kind.partition("_")[0]
        series[f'kube_{kind}_ready{{namespace="shop",{label}="{name}"}}'] = constant(ready)
    return series


def _without_honor_labels() -> dict[str, Value]:
    """A second kube-state-metrics, scraped wrongly: its own names take the place of others'."""
    of = 'job="wrong",namespace="monitoring",pod="ksm-0",exported_namespace="shop"'
    owner = 'owner_kind="StatefulSet",owner_name="cart",owner_is_controller="true"'
    said = [
        f'kube_deployment_status_replicas_ready{{{of},deployment="web"}}',
        f'kube_service_info{{{of},service="ksm",exported_service="web-svc"}}',
        f'kube_pod_owner{{{of},exported_pod="cart-0",{owner}}}',
        'container_memory_working_set_bytes{namespace="monitoring",pod="ksm-0",container="ksm"}',
    ]
    return dict.fromkeys(said, constant(1))


def _cadvisor() -> dict[str, Value]:
    series: dict[str, Value] = {}
    for pod in PODS:
        for container in ("main", "", "POD"):
            of = f'namespace="shop",pod="{pod}",container="{container}",id="/kubepods/{pod}"'
            cores = {"main": 0.5, "": 0.6, "POD": 0.1}[container]
            series[f'container_cpu_usage_seconds_total{{{of},cpu="total"}}'] = counter(cores)
            series[f"container_memory_working_set_bytes{{{of}}}"] = constant(100e6 * cores)
        for interface, factor in (("eth0", 1), ("lo", 50)):
            of = f'namespace="shop",pod="{pod}",interface="{interface}"'
            rates = {"receive": 1000.0 * factor, "transmit": 500.0 * factor}
            for direction, rate in rates.items():
                series[f"container_network_{direction}_bytes_total{{{of}}}"] = counter(rate)
    return series


def _buckets(series: str, labels: str, per_second: float, shares: Mapping[str, float]) -> dict:
    return {
        f'{series}{{{labels},le="{le}"}}': counter(per_second * share)
        for le, share in shares.items()
    }


def _ingress_nginx() -> dict[str, Value]:
    # As it arrives without honor_labels: our names are in exported_….
    of = (
        'namespace="ingress-nginx",service="controller-metrics",exported_namespace="shop",'
        'exported_service="web-svc",ingress="web",method="GET",path="/",host="shop.example",'
        'canary="",controller_class="nginx",controller_pod="controller-1"'
    )
    duration = "nginx_ingress_controller_request_duration_seconds_bucket"
    return {
        f'nginx_ingress_controller_requests{{{of},status="200"}}': counter(3),
        f'nginx_ingress_controller_requests{{{of},status="500"}}': counter(1),
        **_buckets(duration, f'{of},status="200"', 4, {"0.1": 0.9, "0.2": 1, "+Inf": 1}),
    }


def _istio() -> dict[str, Value]:
    of = (
        'destination_workload="pay",destination_workload_namespace="bank",response_code="200",'
        'source_workload="web",request_protocol="http"'
    )
    duration = "istio_request_duration_milliseconds_bucket"
    at = 'reporter="destination"'
    return {
        f"istio_requests_total{{{at},{of}}}": counter(7),
        f'istio_requests_total{{reporter="source",{of}}}': counter(7),
        'istio_requests_total{reporter="source",destination_workload="unknown",'
        'destination_workload_namespace="unknown"}': counter(1),
        **_buckets(duration, f"{at},{of}", 7, {"100": 0.9, "200": 1, "+Inf": 1}),
    }


def _envoy_gateway() -> dict[str, Value]:
    total, duration = "envoy_cluster_upstream_rq_total", "envoy_cluster_upstream_rq_time_bucket"
    first, second = (f'envoy_cluster_name="httproute/shop/api/rule/{n}"' for n in range(2))
    return {
        f"{total}{{{first}}}": counter(1.5),
        f"{total}{{{second}}}": counter(0.5),
        f'{total}{{envoy_cluster_name="xds_cluster"}}': counter(9),
        **_buckets(duration, first, 1.5, {"100": 0.9, "200": 1, "+Inf": 1}),
    }


def _traefik() -> dict[str, Value]:
    of = 'service="shop-cart-8080@kubernetes",code="200",method="GET",protocol="http"'
    duration = "traefik_service_request_duration_seconds_bucket"
    return {
        f"traefik_service_requests_total{{{of}}}": counter(2),
        'traefik_service_requests_total{service="dashboard@internal",code="200"}': counter(9),
        'traefik_service_requests_total{service="far-away-80@kubernetes",code="200"}': counter(1),
        **_buckets(duration, of, 2, {"0.1": 0.9, "0.3": 1, "+Inf": 1}),
    }


def _own(end_minute: int) -> dict[str, Value]:
    """Metrics for queries that somebody writes, and values that cannot be."""
    end = end_minute * 60
    reset = end - 3600 - 22
    return {
        'shop_requests_total{app="search",where="shop"}': counter(6),
        'restarted_requests_total{app="again",where="shop"}': counter(6, reset_at=reset),
        'odd{app="nan",where="odd"}': constant(float("nan")),
        'odd{app="infinite",where="odd"}': constant(float("inf")),
        'odd{app="negative",where="odd"}': constant(-5),
        'odd{app="absurd",where="odd"}': constant(1e13),
        'odd{app="sound",where="odd"}': constant(5),
        'odd{app="stopped",where="odd"}': lambda at: 5 if at < end - 600 else None,
        'same{app="twice",where="odd",replica="a"}': constant(5),
        'same{app="twice",where="odd",replica="b"}': constant(6),
        "wave": lambda at: float(at % 7919),
    }
