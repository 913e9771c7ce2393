"""A real Kafka broker on loopback, its own controller, for all tests of a session.

Tests use topics of their own (a prefix each). Beside the plain listener there is one with TLS,
client certificates and SASL: `alice` may do everything (PLAIN), `bob` nothing (SCRAM).
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from certificates import Authority, Pair

from simulator.sandbox.ports import LOOPBACK, accepts, free_ports
from simulator.sandbox.toolchain import Toolchain
from telemetry.stream.interface import Stream
from telemetry.stream.memory import MemoryStream

if TYPE_CHECKING:
    from telemetry.kafka import KafkaSettings

READY_SECONDS_MAX = 90.0
PASSWORD = "correct-horse"  # noqa: S105 - of a broker that lives as long as the tests
_NUMBERS = count()
# A small heap and the quick compiler only: half the time to start on two cores.
_JAVA = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LISTENERS = ("PLAINTEXT", "CONTROLLER", "SASL_SSL")
_LOGIN = "org.apache.kafka.common.security"
_MORE = """
listeners={listeners}
advertised.listeners={listeners}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl_ssl.plain.sasl.jaas.config={login}.plain.PlainLoginModule \\
  required user_alice="{password}";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={login}.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:alice
auto.create.topics.enable=false
group.min.session.timeout.ms=500
offsets.topic.num.partitions=3
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


@dataclass
class KafkaBroker:
    """A broker's process, and what a test does to it."""

    folder: Path
    port: int
    secure_port: int
    command: list[str]
    authority: Authority
    client: Pair
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def server(self) -> str:
        """The plain listener."""
        return f"{LOOPBACK}:{self.port}"

    def settings(self, **others: object) -> KafkaSettings:
        """Give settings for this broker, with topics of its own and little patience."""
        # Not above: most sessions of tests need no Kafka, and this file is loaded by all.
        from telemetry.kafka import KafkaSettings

        return KafkaSettings.model_validate(
            {
                "servers": (self.server,),
                "topic_prefix": f"test{next(_NUMBERS)}-{os.getpid()}.",
                "partitions": 3,
                "session_seconds": 2.0,
                "connect_seconds": 10.0,
                **others,
            }
        )

    def patient_settings(self, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
        """Give settings by which no reader dies of a slow machine, and hears soon of the others."""
        monkeypatch.setattr("telemetry.kafka.consumer.HEARTBEAT_MILLISECONDS_MAX", 500)
        return self.settings(session_seconds=20.0)

    def secure_settings(self, **others: object) -> KafkaSettings:
        """Give settings for alice on the listener with TLS."""
        password = self.folder / "password"
        password.write_text(f"{PASSWORD}\n", encoding="utf-8")
        alice = {"sasl_mechanism": "PLAIN", "sasl_user": "alice", "sasl_password_file": password}
        return self.settings(
            **{
                "servers": (f"{LOOPBACK}:{self.secure_port}",),
                "tls_ca_file": self.authority.root.certificate,
                "tls_cert_file": self.client.certificate,
                "tls_key_file": self.client.key,
                **alice,
                **others,
            }
        )

    def start(self) -> None:
        """Start the process; return when it listens."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not accepts(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """End the process as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


def _write_configuration(folder: Path, authority: Authority, ports: list[int]) -> Path:
    template = Toolchain.found(os.environ).shared("kafka/server.properties").read_text("utf-8")
    names = ("broker_port", "controller_port", "data_directory")
    for name, value in zip(names, (ports[0], ports[1], folder / "data"), strict=True):
        template = template.replace(f"{{{name}}}", str(value))
    pair = authority.sign("kafka")
    keystore = folder / "keystore.pem"
    keystore.write_text(pair.key.read_text("ascii") + pair.certificate.read_text("ascii"))
    addresses = zip(_LISTENERS, ports, strict=True)
    more = _MORE.format(
        listeners=",".join(f"{name}://{LOOPBACK}:{port}" for name, port in addresses),
        login=_LOGIN,
        password=PASSWORD,
        keystore=keystore,
        truststore=authority.root.certificate,
    )
    configuration = folder / "server.properties"
    configuration.write_text(template + more, encoding="utf-8")
    return configuration


def formatted(folder: Path) -> KafkaBroker:
    """Give a broker that has its storage and was not started."""
    authority = Authority.create(folder)
    ports = free_ports(3)
    configuration = _write_configuration(folder, authority, ports)
    java = shutil.which("java") or "java"
    called = [java, *_JAVA, "-cp", f"{Toolchain.found(os.environ).home('kafka') / 'lib'}/*"]
    identity = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
    user = f"SCRAM-SHA-256=[name=bob,password={PASSWORD}]"
    storage = [*called, "kafka.tools.StorageTool", "format", "--standalone", "-t", identity]
    subprocess.run(
        [*storage, "-c", str(configuration), "--add-scram", user],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return KafkaBroker(
        folder=folder,
        port=ports[0],
        secure_port=ports[2],
        command=[*called, "kafka.Kafka", str(configuration)],
        authority=authority,
        client=authority.sign("client"),
    )


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """Give a running Kafka broker: use topics of your own (`settings()` gives a prefix)."""
    broker = formatted(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def kafka_settings(kafka_broker: KafkaBroker) -> Callable[..., KafkaSettings]:
    """Give a function that returns settings for topics that nobody else has."""
    return kafka_broker.settings


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def streams(request: pytest.FixtureRequest) -> Callable[[], Stream]:
    """Give a function that makes a stream, empty for each test: in memory, then on Kafka.

    On Kafka two streams of one test are the same; in memory it is one object.
    """
    if request.param == "memory":
        stream = MemoryStream(partitions=3)
        return lambda: stream
    broker: KafkaBroker = request.getfixturevalue("kafka_broker")
    settings = broker.patient_settings(request.getfixturevalue("monkeypatch"))

    def connect() -> Stream:
        from telemetry.kafka import KafkaStream

        return KafkaStream(settings)

    return connect
