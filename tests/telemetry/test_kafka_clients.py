"""What a client of Kafka keeps of how it was made."""

from __future__ import annotations

from kafka.net.compat import KafkaNetClient

from telemetry.kafka import KafkaSettings
from telemetry.kafka.clients import connected


def test_who_has_reached_a_broker_gives_up_no_more() -> None:
    """What each server refused while we began says nothing of a rolling upgrade days later."""
    settings = KafkaSettings(servers=("127.0.0.1:1",))
    watched: list[bool] = []

    def made(*, kafka_client: type[KafkaNetClient], **options: object) -> KafkaNetClient:
        client = kafka_client(**options)
        watched.append("bootstrap_brokers" in vars(client.cluster))
        return client

    client = connected(made, settings)
    try:
        assert watched == [True]
        assert "bootstrap_brokers" not in vars(client.cluster)
        assert len(client.cluster.bootstrap_brokers()) == 1
    finally:
        client.close()
