"""The queries by exporter, in the order in which they are believed.

Sources of the names: cAdvisor docs/storage/prometheus.md and Kubernetes'
pkg/kubelet/server/server.go (labels `namespace`, `pod`, `container`); kube-state-metrics 2 docs/
metrics; ingress-nginx internal/ingress/metric/collectors/socket.go; Istio docs/reference/config/
metrics; Envoy docs/configuration/upstream/cluster_manager/cluster_stats and Envoy Gateway
internal/gatewayapi/helpers.go (`irRouteDestinationName`); Traefik
docs/observe/metrics and pkg/provider/kubernetes/ingress/kubernetes.go (`Normalize`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from telemetry.traffic.cluster_state import POD_OWNERS, READY_REPLICAS
from telemetry.traffic.query import Naming, Signal, TrafficQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPreset:
    """What one kind of exporter tells of workloads.

    Attributes:
        name: as settings have it.
        about: what it measures.
        queries: one for each signal that it has.
        metrics: each metric that they read, and how to get it if it is not there.
    """

    name: str
    about: str
    queries: tuple[TrafficQuery, ...]
    metrics: dict[str, str]


def _of_pods(pods: str) -> str:
    """Add up by workload what is there by namespace and pod."""
    return (
        f"sum by (namespace, kind, name) ({pods}"
        f" * on (namespace, pod) group_left (kind, name) {POD_OWNERS})"
    )


_CONTAINER: Final = 'container!="",container!="POD"$match'
_MEASURED: Final = "have Prometheus scrape /metrics/cadvisor of every kubelet"
_STATE: Final = "install kube-state-metrics, and have Prometheus scrape it with honor_labels"


def _network(direction: str) -> str:
    metric = f"container_network_{direction}_bytes_total"
    # Of a pod on the host's network cAdvisor tells the whole machine's traffic.
    rates = f'rate({metric}{{pod!="",interface!="lo"$match}}[$window])'
    return (
        f"sum by (namespace, pod) (max by (namespace, pod, interface) ({rates}))"
        ' unless on (namespace, pod) kube_pod_info{host_network="true",exported_namespace=""$match}'
    )


KUBERNETES: Final = TrafficPreset(
    name="kubernetes",
    about="CPU, memory, network and ready pods (cAdvisor and kube-state-metrics)",
    queries=(
        TrafficQuery(
            source="kubernetes",
            signal=Signal.CPU,
            promql=_of_pods(
                "sum by (namespace, pod) (max by (namespace, pod, container)"
                " (rate(container_cpu_usage_seconds_total{" + _CONTAINER + "}[$window])))"
            ),
        ),
        TrafficQuery(
            source="kubernetes",
            signal=Signal.MEMORY,
            promql=_of_pods(
                "sum by (namespace, pod) (max by (namespace, pod, container)"
                " (last_over_time(container_memory_working_set_bytes{" + _CONTAINER + "}[$stale])))"
            ),
        ),
        TrafficQuery(
            source="kubernetes",
            signal=Signal.NETWORK,
            promql=_of_pods(f"(({_network('receive')}) + ({_network('transmit')}))"),
        ),
        TrafficQuery(
            source="kubernetes", signal=Signal.READY, promql=READY_REPLICAS, combine="max"
        ),
    ),
    metrics={
        "container_cpu_usage_seconds_total": _MEASURED,
        "container_memory_working_set_bytes": _MEASURED,
        "container_network_receive_bytes_total": _MEASURED,
        "container_network_transmit_bytes_total": _MEASURED,
        "kube_pod_owner": _STATE,
        "kube_replicaset_owner": _STATE,
        "kube_deployment_status_replicas_ready": _STATE,
    },
)

_INGRESS: Final = (
    "enable controller.metrics in ingress-nginx, and have Prometheus scrape its port 10254"
)
# As the target has them and, without honor_labels, as the exporter does.
_INGRESS_LABELS: Final = "namespace, service, exported_namespace, exported_service"

INGRESS_NGINX: Final = TrafficPreset(
    name="ingress-nginx",
    about="requests and response times of Services behind ingress-nginx",
    queries=(
        TrafficQuery(
            source="ingress-nginx",
            signal=Signal.REQUESTS,
            naming=Naming.SERVICE,
            labels=("namespace", "", "service"),
            exported=True,
            promql=f"sum by ({_INGRESS_LABELS})"
            ' ($once(rate(nginx_ingress_controller_requests{ingress!=""$match}[$window])))',
        ),
        TrafficQuery(
            source="ingress-nginx",
            signal=Signal.RESPONSE_TIME,
            naming=Naming.SERVICE,
            labels=("namespace", "", "service"),
            exported=True,
            combine="max",
            # Its help says milliseconds; the values are nginx' $request_time, in seconds.
            promql=f"histogram_quantile(0.95, sum by ({_INGRESS_LABELS}, le)"
            " ($once(rate(nginx_ingress_controller_request_duration_seconds_bucket"
            '{ingress!=""$match}[$window]))))',
        ),
    ),
    metrics={
        "nginx_ingress_controller_requests": _INGRESS,
        "nginx_ingress_controller_request_duration_seconds_bucket": _INGRESS,
    },
)

_ISTIO: Final = "have Prometheus scrape the proxies' /stats/prometheus (port 15020)"
# A waypoint of ambient mode reports for proxies that there are not; where both do, the larger.
_REPORTED: Final = (
    'reporter=~"destination|waypoint",destination_workload!~"unknown|",'
    'destination_workload_namespace!~"unknown|"$match'
)
_MESH: Final = "destination_workload_namespace, destination_workload"


_MESH_LABELS: Final = ("destination_workload_namespace", "", "destination_workload")

ISTIO: Final = TrafficPreset(
    name="istio",
    about="requests and response times of workloads in an Istio mesh",
    queries=(
        TrafficQuery(
            source="istio",
            signal=Signal.REQUESTS,
            naming=Naming.PLAIN,
            labels=_MESH_LABELS,
            promql=f"max by ({_MESH}) (sum by (reporter, {_MESH})"
            " ($once(rate(istio_requests_total{" + _REPORTED + "}[$window]))))",
        ),
        TrafficQuery(
            source="istio",
            signal=Signal.RESPONSE_TIME,
            naming=Naming.PLAIN,
            labels=_MESH_LABELS,
            combine="max",
            promql=f"max by ({_MESH}) (histogram_quantile(0.95, sum by (reporter, {_MESH}, le)"
            " ($once(rate(istio_request_duration_milliseconds_bucket{"
            + _REPORTED
            + "}[$window])))) / 1000)",
        ),
    ),
    metrics={
        "istio_requests_total": _ISTIO,
        "istio_request_duration_milliseconds_bucket": _ISTIO,
    },
)

_ENVOY: Final = "have Prometheus scrape the proxies' /stats/prometheus (port 19001)"
# Envoy Gateway calls its clusters httproute/NAMESPACE/NAME/rule/N.
_ROUTES: Final = 'envoy_cluster_name=~"(httproute|grpcroute)/[^/]+/[^/]+/rule/.+"$match'
_ROUTE_PARTS: Final = "(?:httproute|grpcroute)/([^/]+)/([^/]+)/rule/.+"


def _route_named(series: str) -> str:
    with_namespace = (
        f'label_replace({series}, "namespace", "$1", "envoy_cluster_name", "{_ROUTE_PARTS}")'
    )
    return f'label_replace({with_namespace}, "name", "$2", "envoy_cluster_name", "{_ROUTE_PARTS}")'


ENVOY_GATEWAY: Final = TrafficPreset(
    name="envoy-gateway",
    about="requests and response times of HTTPRoutes and GRPCRoutes (Gateway API) in Envoy Gateway",
    queries=(
        TrafficQuery(
            source="envoy-gateway",
            signal=Signal.REQUESTS,
            naming=Naming.ROUTE,
            promql="sum by (namespace, name) ("
            + _route_named("$once(rate(envoy_cluster_upstream_rq_total{" + _ROUTES + "}[$window]))")
            + ")",
        ),
        TrafficQuery(
            source="envoy-gateway",
            signal=Signal.RESPONSE_TIME,
            naming=Naming.ROUTE,
            combine="max",
            # In milliseconds.
            promql="histogram_quantile(0.95, sum by (namespace, name, le) ("
            + _route_named(
                "sum by (envoy_cluster_name, le)"
                " ($once(rate(envoy_cluster_upstream_rq_time_bucket{" + _ROUTES + "}[$window])))"
            )
            + ")) / 1000",
        ),
    ),
    metrics={
        "envoy_cluster_upstream_rq_total": _ENVOY,
        "envoy_cluster_upstream_rq_time_bucket": _ENVOY,
    },
)

_TRAEFIK: Final = "enable metrics.prometheus in Traefik, with addServicesLabels (the default)"
# Services of the providers kubernetes (Ingress), kubernetescrd and kubernetesgateway.
_TRAEFIK_SERVICES: Final = (
    '{service=~".+@kubernetes.*"$match}',
    '{exported_service=~".+@kubernetes.*"$match}',
)


def _traefik(metric: str) -> str:
    rates = " or ".join(f"rate({metric}{selected}[$window])" for selected in _TRAEFIK_SERVICES)
    return f"$once({rates})"


TRAEFIK: Final = TrafficPreset(
    name="traefik",
    about="requests and response times of Services behind Traefik",
    queries=(
        TrafficQuery(
            source="traefik",
            signal=Signal.REQUESTS,
            naming=Naming.JOINED,
            labels=("", "", "service"),
            exported=True,
            promql="sum by (service, exported_service)"
            f" ({_traefik('traefik_service_requests_total')})",
        ),
        TrafficQuery(
            source="traefik",
            signal=Signal.RESPONSE_TIME,
            naming=Naming.JOINED,
            labels=("", "", "service"),
            exported=True,
            combine="max",
            promql="histogram_quantile(0.95, sum by (service, exported_service, le)"
            f" ({_traefik('traefik_service_request_duration_seconds_bucket')}))",
        ),
    ),
    metrics={
        "traefik_service_requests_total": _TRAEFIK,
        "traefik_service_request_duration_seconds_bucket": _TRAEFIK,
    },
)

#: A mesh sees all requests of a workload, a gateway or an ingress those from outside: of two that
#: tell of the same workload the one that is named first counts.
PRESETS: Final = {
    preset.name: preset for preset in (ISTIO, ENVOY_GATEWAY, INGRESS_NGINX, TRAEFIK, KUBERNETES)
}
