"""The stream on Kafka; the only door to it."""

from telemetry.kafka.settings import KafkaSettings
from telemetry.kafka.stream import KafkaStream

__all__ = ["KafkaSettings", "KafkaStream"]
