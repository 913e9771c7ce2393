"""What the sandbox tells its extender and, where that acts, its scheduler."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from energy.errors import InputError, UnavailableError
from extender.settings import PREFIX, read_settings
from simulator.sandbox import extender_companion
from simulator.sandbox.prometheus_configuration import EXTENDER_PORT, prometheus_configuration
from simulator.sandbox.record import options_of

PORTS = {"extenderPort": 20001, "prometheusPort": 20002}


def told(monkeypatch, folder, ports=PORTS, **options):
    """Read the settings as the extender's process would."""
    said = extender_companion.environment(folder, ports, options_of(**options))
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert all(name.startswith(PREFIX) for name in said)
    return read_settings()


def test_extender_understands_all_that_it_is_told(monkeypatch, tmp_path: Path) -> None:
    """Every variable is a setting, and nothing outside the sandbox's folder is touched."""
    settings = told(monkeypatch, tmp_path, usage_ratio=0.3, extender="act", nodes_may_sleep=True)

    assert settings.mode == "act"
    assert settings.port == 20001
    assert settings.kubeconfig == tmp_path / "kubeconfig.yaml"
    assert settings.scheduler_names == ("default-scheduler",)
    assert settings.prometheus_url == "http://127.0.0.1:20002"
    assert settings.usage_ratio == 0.3
    assert settings.nodes_may_sleep is True
    assert settings.ledger_url == f"sqlite:///{tmp_path / 'ledger.sqlite'}"


def test_without_a_word_it_watches(monkeypatch, tmp_path: Path) -> None:
    """No Prometheus is read where none runs; pods that use nothing are measured."""
    settings = told(monkeypatch, tmp_path, {"extenderPort": 20001}, usage_ratio=0.0)

    assert (settings.mode, settings.nodes_may_sleep) == ("observe", False)
    assert (settings.prometheus_url, settings.usage_ratio) == (None, "measured")


def test_its_port_is_that_of_the_commands_unless_somebody_listens_there() -> None:
    """Two sandboxes run side by side."""
    first = extender_companion.port()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", first))
        listener.listen()
        second = extender_companion.port()

    assert first == EXTENDER_PORT or first > 20000
    assert second not in {first, EXTENDER_PORT}


def test_scheduler_is_the_shipped_one_asking_this_extender() -> None:
    """Weight and profile are what operators copy; only where and how long to ask differs."""
    document = yaml.safe_load(extender_companion.scheduler_configuration(20001))
    shipped = yaml.safe_load(extender_companion.SHIPPED.read_text(encoding="utf-8"))
    (asked,), (written,) = document["extenders"], shipped["extenders"]

    assert asked == {
        **written,
        "urlPrefix": "http://127.0.0.1:20001/scheduler",
        "httpTimeout": extender_companion.TIMEOUT,
    }
    assert document["profiles"] == shipped["profiles"]
    assert document["clientConnection"] == {"qps": 200, "burst": 400}
    assert "leaderElection" not in document


def test_options_that_contradict_each_other_are_refused() -> None:
    """Before anything is started."""
    acting = options_of(extender="act", scheduler_configuration=Path("/etc/scheduler.yaml"))
    with pytest.raises(InputError, match=r"--scheduler-config: .*leave out --act"):
        extender_companion.require_usable(acting)
    with pytest.raises(InputError, match="--nodes-may-sleep"):
        extender_companion.require_usable(options_of(extender="none", nodes_may_sleep=True))
    extender_companion.require_usable(options_of(extender="none"))


def test_what_is_not_installed_is_named(monkeypatch, tmp_path: Path) -> None:
    """A wheel has no configuration to copy, and the extender's libraries are an extra."""
    monkeypatch.setattr(extender_companion, "SHIPPED", tmp_path / "none.yaml")
    with pytest.raises(UnavailableError, match=r"none\.yaml: .*leave out --act"):
        extender_companion.require_usable(options_of(extender="act"))
    monkeypatch.setattr(extender_companion, "LIBRARIES", ("no_such_library",))
    with pytest.raises(UnavailableError, match=r"no_such_library.*--no-extender"):
        extender_companion.require_usable(options_of())


def test_prometheus_scrapes_it_where_it_listens() -> None:
    """On another port than the usual one as well."""
    ports = {
        "powerMeterPort": 20003,
        "kwokControllerPort": 20004,
        "kubeApiserverPort": 20005,
        "kubeControllerManagerPort": 20006,
        "kubeSchedulerPort": 20007,
        **PORTS,
    }
    text = prometheus_configuration(ports, certificates=Path("/pki"), node_count=9)
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}

    assert jobs["negawatt-extender"]["static_configs"] == [{"targets": ["127.0.0.1:20001"]}]
