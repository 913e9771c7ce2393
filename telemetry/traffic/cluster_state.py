"""PromQL over kube-state-metrics: which workload a pod and a Service belong to.

Names and labels: kube-state-metrics 2, docs/metrics/workload/{pod,replicaset,deployment,
statefulset,daemonset}-metrics.md and docs/metrics/service/{service,endpoint,endpointslice}-
metrics.md. Its Helm chart has endpointslices instead of endpoints since version 7. A pod without an
owner has `owner_kind=""` (before 2.5 `<none>`).

Scraped without `honor_labels`, its `namespace` and `pod` are those of kube-state-metrics itself,
and what it says is in `exported_namespace`: such series would give false names, and are left out.
"""

from __future__ import annotations

from typing import Final

# Of pods that end (Jobs) or belong to a node, nobody forecasts the traffic, and a Job's name never
# comes again. `max by` makes one series of what two kube-state-metrics, or two scrapers, say.
_OWNED: Final = (
    'owner_is_controller="true",owner_kind!~"Job|Node|<none>|",exported_namespace=""$match'
)


def _named(series: str, kind: str, name: str) -> str:
    """Copy two labels of a series to `kind` and `name`."""
    kind_copied = f'label_replace({series}, "kind", "$1", "{kind}", "(.+)")'
    return f'label_replace({kind_copied}, "name", "$1", "{name}", "(.+)")'


_DIRECT: Final = _named(
    "kube_pod_owner{" + _OWNED.replace("Job|", "ReplicaSet|Job|") + "}", "owner_kind", "owner_name"
)
_REPLICASETS: Final = (
    'label_replace(kube_pod_owner{owner_is_controller="true",owner_kind="ReplicaSet",exported_namespace=""$match},'
    ' "replicaset", "$1", "owner_name", "(.+)")'
)
_BARE: Final = (
    'label_replace(label_replace(kube_replicaset_owner{owner_kind=~"<none>|",exported_namespace=""$match},'
    ' "kind", "ReplicaSet", "", ""), "name", "$1", "replicaset", "(.+)")'
)
_ABOVE: Final = (
    "max by (namespace, replicaset, kind, name) ("
    + _named("kube_replicaset_owner{" + _OWNED + "}", "owner_kind", "owner_name")
    + f" or {_BARE})"
)

#: (namespace, pod) -> kind and name of its workload, each once: what owns its ReplicaSet
#: (a Deployment, an Argo Rollout), else the ReplicaSet, else what owns the pod itself.
POD_OWNERS: Final = (
    f"(max by (namespace, pod, kind, name) ({_DIRECT})"
    f" or on (namespace, pod) max by (namespace, pod, kind, name)"
    f" ({_REPLICASETS} * on (namespace, replicaset) group_left (kind, name) {_ABOVE}))"
)


def _ready(metric: str, label: str, kind: str) -> str:
    series = "last_over_time(" + metric + "{" + label + '!="",exported_namespace=""$match}[$stale])'
    with_name = f'label_replace({series}, "name", "$1", "{label}", "(.+)")'
    return f'label_replace({with_name}, "kind", "{kind}", "", "")'


#: (namespace, kind, name) -> ready pods, of Deployments, StatefulSets and DaemonSets.
READY_REPLICAS: Final = (
    "max by (namespace, kind, name) ("
    + " or ".join(
        (
            _ready("kube_deployment_status_replicas_ready", "deployment", "Deployment"),
            _ready("kube_statefulset_status_replicas_ready", "statefulset", "StatefulSet"),
            _ready("kube_daemonset_status_number_ready", "daemonset", "DaemonSet"),
        )
    )
    + ")"
)

#: (namespace, service) of every Service.
SERVICES: Final = (
    'max by (namespace, service) (kube_service_info{service!="",exported_namespace=""$match})'
)

# (namespace, service, pod): whose addresses the Service's Endpoints have.
_BY_ADDRESS: Final = (
    "max by (namespace, service, pod) (label_replace(max by (namespace, endpoint, ip)"
    ' (kube_endpoint_address{endpoint!="",exported_namespace=""$match}),'
    ' "service", "$1", "endpoint", "(.+)")'
    " * on (namespace, ip) group_left (pod)"
    " max by (namespace, ip, pod) ("
    # A pod that has ended may still name the address that another has by now.
    'label_replace(kube_pod_info{host_network!="true",pod_ip!="",exported_namespace=""$match},'
    ' "ip", "$1", "pod_ip", "(.+)")'
    " and on (namespace, pod)"
    ' kube_pod_status_phase{phase="Running",exported_namespace=""$match} == 1))'
)
# What Kubernetes appends to a name that it makes up (k8s.io/apimachinery, pkg/util/rand).
_MADE_UP: Final = "-[bcdfghjklmnpqrstvwxz2456789]{5}"
# (namespace, service, pod): slices name their pods, and are named after their Service.
_BY_SLICE: Final = (
    "max by (namespace, service, pod) (label_replace(label_replace("
    f'kube_endpointslice_endpoints{{endpointslice=~".+{_MADE_UP}",targetref_kind="Pod",'
    'targetref_name!="",exported_namespace=""$match},'
    f' "service", "$1", "endpointslice", "(.+){_MADE_UP}"), "pod", "$1", "targetref_name", "(.+)"))'
    f" and on (namespace, service) {SERVICES}"
)

#: (namespace, service, kind, name): whose pods a Service leads to.
SERVICE_OWNERS: Final = (
    f"max by (namespace, service, kind, name) (({_BY_ADDRESS} or {_BY_SLICE})"
    f" * on (namespace, pod) group_left (kind, name) {POD_OWNERS})"
)
