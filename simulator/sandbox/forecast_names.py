"""Names and labels of what the replayed workloads measure, as the real exporters have them.

Requests and response times are ingress-nginx's (internal/ingress/metric/collectors/socket.go;
labels that tell nothing here, such as host and path, are left out: the past is read faster),
CPU, memory and network cAdvisor's, owners and replicas those of kube-state-metrics. The same
series go on from the past that Prometheus is filled with.
"""

from __future__ import annotations

from collections.abc import Iterator

SHOP, PRESS = "shop", "press"
NAMESPACES = (SHOP, PRESS)
KIND, CONTAINER = "Deployment", "main"
REQUESTS = "nginx_ingress_controller_requests"
DURATION = "nginx_ingress_controller_request_duration_seconds"
CPU = "container_cpu_usage_seconds_total"
MEMORY = "container_memory_working_set_bytes"
RECEIVED = "container_network_receive_bytes_total"
SENT = "container_network_transmit_bytes_total"
POD_OWNER = "kube_pod_owner"
REPLICA_SET_OWNER = "kube_replicaset_owner"
POD_READY = "kube_pod_status_ready"
READY_REPLICAS = "kube_deployment_status_replicas_ready"
REPLICAS = "kube_deployment_status_replicas"
KINDS = {
    REQUESTS: "counter",
    DURATION: "histogram",
    CPU: "counter",
    MEMORY: "gauge",
    RECEIVED: "counter",
    SENT: "counter",
    POD_OWNER: "gauge",
    REPLICA_SET_OWNER: "gauge",
    POD_READY: "gauge",
    READY_REPLICAS: "gauge",
    REPLICAS: "gauge",
}
ANSWERED, REFUSED = "200", "503"
#: Stamped on every series by Prometheus' scrape; a past series is to have the same.
JOB, INSTANCE = "traffic-replay", "traffic-replay"
SCRAPED = f'job="{JOB}",instance="{INSTANCE}"'
#: Where the replay says whether all that has passed was scraped.
READY_PATH = "/readyz"
#: What KWOK says of the same containers: `__name__;namespace`.
REPLAYED_CONTAINERS = f"(container|pod)_.+;({'|'.join(NAMESPACES)})"
PAST_STEP_SECONDS = 30
#: As often as the replay is scraped.
CATCH_UP_SECONDS = 5
#: The replica set that the pod of the past belonged to, and that pod's ending.
PAST_HASH, PAST_POD = "5f7d9c6b48", "past0"


def ingress_labels(namespace: str, name: str, status: str) -> str:
    """Labels of a series of the ingress controller."""
    return f'namespace="{namespace}",ingress="{name}",service="{name}",status="{status}"'


def container_labels(namespace: str, pod: str) -> str:
    """Labels of a container's series; every replayed pod has one container."""
    return f'namespace="{namespace}",pod="{pod}",container="{CONTAINER}",image="none"'


def network_labels(namespace: str, pod: str) -> str:
    """Labels of the series of a pod's network, which its containers share."""
    return f'namespace="{namespace}",pod="{pod}",interface="eth0",image="none"'


def deployment_labels(namespace: str, name: str) -> str:
    """Labels of a Deployment's series."""
    return f'namespace="{namespace}",deployment="{name}"'


def owner_series(
    namespace: str, name: str, replica_set: str, pods: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Names and labels of the series, each 1, that say whose the pods are."""
    for pod in pods:
        owner = f'owner_kind="ReplicaSet",owner_name="{replica_set}",owner_is_controller="true"'
        yield POD_OWNER, f'namespace="{namespace}",pod="{pod}",{owner}'
    owner = f'owner_kind="{KIND}",owner_name="{name}",owner_is_controller="true"'
    yield REPLICA_SET_OWNER, f'namespace="{namespace}",replicaset="{replica_set}",{owner}'


def past_replica_set(name: str) -> str:
    """Name the replica set that a Deployment had in the past."""
    return f"{name}-{PAST_HASH}"
