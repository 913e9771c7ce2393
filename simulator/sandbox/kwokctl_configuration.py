"""What kwokctl is told: one document that names every program and port, so that it fetches none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from energy.errors import InputError
from simulator.sandbox.ports import LOOPBACK
from simulator.sandbox.toolchain import Toolchain

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
# Port, as kwokctl names it -> the component that listens there, as its log file is named.
PORTS = {
    "etcdPort": "etcd",
    "etcdPeerPort": "etcd",
    "kubeApiserverPort": "kube-apiserver",
    "kubeControllerManagerPort": "kube-controller-manager",
    "kubeSchedulerPort": "kube-scheduler",
    "kwokControllerPort": "kwok-controller",
}
# Program, as kwokctl names it -> as we name it.
BINARIES = {
    "etcdBinary": "etcd",
    "kubeApiserverBinary": "kube-apiserver",
    "kubeControllerManagerBinary": "kube-controller-manager",
    "kubeSchedulerBinary": "kube-scheduler",
    "kubectlBinary": "kubectl",
    "kwokControllerBinary": "kwok",
}
METRICS_PORTS = {"metricsServerPort": "metrics-server"}
PROMETHEUS_PORTS = {"prometheusPort": "prometheus"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneOptions:
    """What differs between control planes.

    Attributes:
        scheduler_configuration: a KubeSchedulerConfiguration file; unset: the scheduler's defaults.
            Name `clientConnection: {qps: 5000, burst: 10000}` in it before measuring throughput:
            the default is 50 requests a second.
        metrics_server: serve metrics.k8s.io from KWOK's usage annotations (first values after
            about a minute).
        prometheus: the program that scrapes all components, usually /usr/bin/prometheus.
        usage_ratio: what KWOK says that a pod uses of the CPU it requests, where its annotation
            `kwok.x-k8s.io/usage-cpu` says nothing (memory: all that it requests). Unset: one
            millicore, and nothing is served unless metrics-server reads it.
        qps_limits: keep the components' own limits on API requests; without them a small cluster
            settles quicker.
        arguments: component -> flag -> value, such as
            {"kube-controller-manager": {"horizontal-pod-autoscaler-sync-period": "5s"}}.
    """

    scheduler_configuration: Path | None = None
    metrics_server: bool = False
    prometheus: Path | None = None
    usage_ratio: float | None = None
    qps_limits: bool = False
    arguments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def programs(self, toolchain: Toolchain) -> dict[str, Path]:
        """Find every program that such a control plane runs; component -> program.

        Raises:
            InputError: there is no such scheduler configuration.
            UnavailableError: the toolchain lacks one.
        """
        configuration = self.scheduler_configuration
        if configuration and not configuration.is_file():
            raise InputError(
                "no such scheduler configuration", where=str(configuration), mend="check the path"
            )
        names = [*PROGRAMS, "kubectl", "kwokctl"]
        if self.metrics_server:
            names.append("metrics-server")
        programs = {name: toolchain.program(name) for name in names}
        programs["kwok-controller"] = programs["kwok"]
        if self.prometheus:
            programs["prometheus"] = self.prometheus.resolve()
        return programs

    def ports(self) -> dict[str, str]:
        """Name the ports that such a control plane listens on; port -> component."""
        return (
            PORTS
            | (METRICS_PORTS if self.metrics_server else {})
            | (PROMETHEUS_PORTS if self.prometheus else {})
        )


def kwokctl_configuration(
    options: ControlPlaneOptions,
    *,
    toolchain: Toolchain,
    ports: Mapping[str, int],
    cache_folder: Path,
) -> str:
    """Write the configuration, JSON documents and KWOK's own YAML ones, for `kwokctl --config`.

    Raises:
        UnavailableError: the toolchain lacks something.
    """
    programs = options.programs(toolchain)
    extras = _extras(options, toolchain, programs)
    head = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {
            "runtime": "binary",
            "bindAddress": LOOPBACK,
            "disableQPSLimits": not options.qps_limits,
            "cacheDir": str(cache_folder),
            **{option: str(programs[name]) for option, name in BINARIES.items()},
            "enable": [name for name in ("metrics-server", "prometheus") if name in programs],
            **extras,
            **ports,
        },
    }
    documents = [json.dumps(head, indent=1)]
    if extras:
        documents += _metrics_of_fake_nodes(toolchain, options.usage_ratio)
    return "\n---\n".join(documents)


def metrics_for_kwok(options: ControlPlaneOptions, toolchain: Toolchain) -> str:
    """Write what KWOK must be told itself: kwokctl hands it on for a metrics-server only.

    Empty where nothing is to be served, or kwokctl does it.

    Raises:
        UnavailableError: the toolchain lacks something.
    """
    if options.usage_ratio is None or options.metrics_server:
        return ""
    return "\n---\n".join(_metrics_of_fake_nodes(toolchain, options.usage_ratio))


def _extras(
    options: ControlPlaneOptions, toolchain: Toolchain, programs: Mapping[str, Path]
) -> dict[str, object]:
    """Say where the components are that a control plane may do without."""
    extras: dict[str, object] = {}
    if options.metrics_server:
        manifests = toolchain.shared("metrics-server/kustomization.yaml").parent
        extras["metricsServerBinary"] = str(programs["metrics-server"])
        extras["metricsServerManifests"] = [str(manifests)]
    if options.prometheus:
        extras["prometheusBinary"] = str(programs["prometheus"])
    return extras


def _metrics_of_fake_nodes(toolchain: Toolchain, usage_ratio: float | None) -> list[str]:
    """Give what metrics-server and Prometheus read: KWOK serves it when told how."""
    metrics = toolchain.shared("kwok/metrics-resource.yaml").read_text(encoding="utf-8")
    if usage_ratio is None:
        usage = toolchain.shared("kwok/usage-from-annotation.yaml").read_text(encoding="utf-8")
    else:
        usage = json.dumps(_usage_of_requests(usage_ratio), indent=1)
    return [metrics, usage]


def _usage_of_requests(usage_ratio: float) -> dict[str, object]:
    """Let a container use what its pod's annotation says, or else this much of its requests.

    In whole thousandths: KWOK multiplies its quantities by integers exactly.
    """
    thousandths = round(usage_ratio * 1000)
    stated = "container.resources.requests"
    cpu = f'"cpu" in {stated} ? {stated}["cpu"] * {thousandths} / 1000 : Quantity("0")'
    memory = f'"memory" in {stated} ? {stated}["memory"] : Quantity("1Mi")'
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterResourceUsage",
        "metadata": {"name": "usage-of-requests"},
        "spec": {
            "usages": [
                {
                    "usage": {
                        "cpu": {"expression": _annotated("usage-cpu", cpu)},
                        "memory": {"expression": _annotated("usage-memory", memory)},
                    }
                }
            ]
        },
    }


def _annotated(name: str, otherwise: str) -> str:
    held = "pod.metadata.annotations"
    key = f'"kwok.x-k8s.io/{name}"'
    return f"{key} in {held} ? Quantity({held}[{key}]) : ({otherwise})"
