"""A real Prometheus that scrapes what kubelets, Kepler, node_exporter and others put out."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from scraped_prometheus import Targets, job, prometheus, targets, wait_until
from traffic_history import History, whole_history

from telemetry.prometheus import Prometheus, PrometheusSettings

WINDOW_SECONDS = 20


@pytest.fixture(scope="session")
def traffic_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Give a Prometheus with three hours of traffic that no test changes."""
    yield from whole_history(tmp_path_factory.mktemp("history"))


@pytest.fixture(scope="session")
def exporters() -> Iterator[Targets]:
    """Serve the pages of `PAGES`; a test that changes one puts it back."""
    with targets() as served:
        served.pages.update(PAGES)
        yield served


@pytest.fixture(scope="session")
def scraping(exporters: Targets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Give a connection to a Prometheus that has scraped all pages at least twice."""
    jobs = [job(path.strip("/"), exporters, path, **LABELS.get(path, {})) for path in PAGES]
    with prometheus(tmp_path_factory.mktemp("scraping") / "prometheus", *jobs) as url:
        connected = Prometheus(PrometheusSettings(url=url, rate_window_seconds=WINDOW_SECONDS))
        wait_until(lambda: len(connected.query("count_over_time(up[1m]) > 2")) == len(PAGES))
        yield connected
        connected.close()


def counter(series: str, per_second: float) -> str:
    """Return a line of a counter that is exact at its own timestamp, as cAdvisor gives them."""
    now_seconds = time.time()
    return f"{series} {per_second * now_seconds!r} {int(now_seconds * 1000)}\n"


def _kubelet() -> str:
    return counter("node_cpu_usage_seconds_total", 2.5)


def _cadvisor() -> str:
    return counter('container_cpu_usage_seconds_total{id="/",cpu="total"}', 2.6) + counter(
        'container_cpu_usage_seconds_total{id="/kubepods",cpu="total"}', 2.0
    )


def _old_kepler() -> str:
    name, of = "kepler_node_package_joules_total", 'instance="worker-1"'
    platform = f'kepler_node_platform_joules_total{{{of},source="acpi"'
    return "".join(
        [
            counter(f'{name}{{{of},package="0",mode="idle",source="rapl-sysfs"}}', 20.0),
            counter(f'{name}{{{of},package="0",mode="dynamic",source="rapl-sysfs"}}', 30.0),
            counter(f'{name}{{{of},package="1",mode="dynamic",source="rapl-sysfs"}}', 25.0),
            counter(f'{name}{{{of},package="0",mode="dynamic",source="trained_power_model"}}', 9e3),
            counter(f'kepler_node_dram_joules_total{{{of},package="0",mode="dynamic"}}', 7e3),
            counter(f'{platform},mode="idle"}}', 100.0),
            counter(
                f'kepler_node_platform_joules_total{{{of},mode="dynamic",source="acpi"}}', 90.0
            ),
        ]
    )


_NEW_KEPLER = """
kepler_node_cpu_watts{node_name="worker-2",zone="package",path="/sys/0"} 50
kepler_node_cpu_watts{node_name="worker-2",zone="package",path="/sys/1"} 60
kepler_node_cpu_watts{node_name="worker-2",zone="core",path="/sys/0/0"} 30
kepler_node_cpu_watts{node_name="worker-2",zone="dram",path="/sys/0/1"} 11
kepler_node_cpu_watts{node_name="worker-2",zone="psys",path="/sys/2"} 140
kepler_node_cpu_watts{node_name="worker-3",zone="package",path="aggregated-package"} 70
kepler_node_cpu_usage_ratio{node_name="worker-2"} 0.25
kepler_node_cpu_usage_ratio{node_name="worker-3"} NaN
kepler_node_cpu_usage_ratio{node_name="elsewhere"} 0.5
kepler_platform_watts{source="redfish",node_name="worker-2",bmc_id="2",chassis_id="1",source_id="PS1",source_type="PowerSupply"} 150
kepler_platform_watts{source="redfish",node_name="worker-2",bmc_id="2",chassis_id="1",source_id="PS2",source_type="PowerSupply"} 140
kepler_platform_watts{source="redfish",node_name="worker-3",bmc_id="3",chassis_id="1",source_id="0",source_name="Server",source_type="PowerControl"} 310
kepler_platform_watts{source="redfish",node_name="worker-3",bmc_id="3",chassis_id="1",source_id="1",source_name="CPU",source_type="PowerControl"} 90
"""  # noqa: E501 - as Kepler writes them


def _node_exporter() -> str:
    name = "node_cpu_seconds_total"
    busy = {"idle": 0.5, "iowait": 0.1, "user": 0.3, "system": 0.1}
    lines = [
        counter(f'{name}{{cpu="{cpu}",mode="{mode}"}}', share)
        for cpu in range(4)
        for mode, share in busy.items()
    ]
    lines.append('node_uname_info{nodename="worker-4",sysname="Linux"} 1\n')
    for socket in range(2):
        path = f"/sys/class/powercap/intel-rapl:{socket}"
        series = f'node_rapl_package_joules_total{{index="{socket}",path="{path}"}}'
        lines.append(counter(series, 40.0 + socket))
    return "".join(lines)


PAGES = {
    "/kubelet": _kubelet,
    "/cadvisor": _cadvisor,
    "/old-kepler": _old_kepler,
    "/new-kepler": _NEW_KEPLER,
    "/node-exporter": _node_exporter,
    "/kube-state-metrics": 'kube_node_info{node="worker-5",internal_ip="10.0.0.5"} 1\n',
    "/ipmi": "ipmi_dcmi_power_consumption_watts 220\n",
    # Only for tests of what a source that goes wrong does.
    "/trial": "trial 1\n",
}
LABELS = {
    "/kubelet": {"node": "worker-1"},
    "/cadvisor": {"instance": "worker-1"},
    "/node-exporter": {"instance": "10.0.0.4:9100"},
    "/ipmi": {"instance": "10.0.0.5:9290"},
}
