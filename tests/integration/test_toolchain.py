"""Everything that `make toolchain` builds starts and says who it is."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import components
import pytest

from simulator.sandbox.ports import free_ports
from simulator.sandbox.toolchain import Toolchain

RECIPE = tomllib.loads((components.CHECKOUT / "deploy/local/toolchain.toml").read_text())
PROGRAMS = [entry["name"] for entry in RECIPE["components"] if "answers" in entry]
START_SECONDS_MAX = 120  # 5 s on an idle machine
API_VERSIONS_KEY = 18
CORRELATION = 4711


@pytest.mark.toolchain
@pytest.mark.parametrize("name", PROGRAMS)
def test_program_answers_with_the_version_of_the_recipe(
    name: str, toolchain: Toolchain, tmp_path: Path
) -> None:
    """A program built from the wrong module, or without its version, is noticed."""
    component = toolchain.components()[name]
    answer = subprocess.run(
        [toolchain.program(name), *component.answers],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert component.version in answer.stdout + answer.stderr


@pytest.mark.toolchain
def test_every_component_of_the_recipe_is_there_and_whole(toolchain: Toolchain) -> None:
    """The recipe and the stamps name the same components, and their files exist."""
    built = toolchain.components()

    assert built.keys() == {entry["name"] for entry in RECIPE["components"]}
    assert [name for name, component in built.items() if not component.is_whole] == []


@pytest.mark.jmeter
def test_jmeter_prints_its_version(toolchain: Toolchain, tmp_path: Path) -> None:
    """The jars are laid out as JMeter's launcher wants them."""
    launcher = toolchain.home("jmeter") / "bin/ApacheJMeter.jar"
    answer = subprocess.run(
        ["java", "-Xmx256m", "-jar", launcher, "--version", "-j", tmp_path / "jmeter.log"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert toolchain.components()["jmeter"].version in answer.stdout


@contextmanager
def kafka_broker(toolchain: Toolchain, folder: Path) -> Iterator[int]:
    """Format a storage in `folder`, run a broker on it and give its port."""
    broker_port, controller_port = free_ports(2)
    template = toolchain.shared("kafka/server.properties").read_text()
    properties = folder / "server.properties"
    properties.write_text(
        template.format(
            broker_port=broker_port,
            controller_port=controller_port,
            data_directory=folder / "data",
        )
    )
    java = ["java", "-Xmx512m", "-cp", f"{toolchain.home('kafka')}/lib/*"]
    storage = [*java, "kafka.tools.StorageTool"]
    identity = subprocess.run(
        [*storage, "random-uuid"], capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run(
        [*storage, "format", "--standalone", "-t", identity, "-c", properties],
        capture_output=True,
        check=True,
    )
    with (folder / "broker.log").open("wb") as log:
        broker = subprocess.Popen([*java, "kafka.Kafka", properties], stdout=log, stderr=log)
        try:
            yield broker_port
        finally:
            broker.terminate()
            broker.wait()


def api_versions(port: int) -> bytes:
    """Ask a broker which requests it knows (ApiVersions v0); gives the answer without its length.

    Source: Kafka protocol guide, "Request and Response Headers" and "ApiVersions".
    """
    client_id = b"negawatt"
    header = struct.pack(">hhih", API_VERSIONS_KEY, 0, CORRELATION, len(client_id)) + client_id
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(struct.pack(">i", len(header)) + header)
                with connection.makefile("rb") as answers:
                    (length,) = struct.unpack(">i", answers.read(4))
                    return answers.read(length)
        except (ConnectionError, struct.error):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.mark.kafka
@pytest.mark.slow
def test_kafka_broker_starts_and_answers(toolchain: Toolchain, tmp_path: Path) -> None:
    """A broker formatted and started from the jars lists the requests it knows, Produce first."""
    with kafka_broker(toolchain, tmp_path) as port:
        answer = api_versions(port)
    correlation, error, count, first_key = struct.unpack_from(">ihih", answer)

    assert (correlation, error, first_key) == (CORRELATION, 0, 0)
    assert count > 20
