"""A stream's producer on Kafka."""

from __future__ import annotations

from typing import Final

from telemetry.kafka.settings import KafkaSettings
from telemetry.kafka.writer import KafkaWriter
from telemetry.messages import Message
from telemetry.stream.interface import Topic


class KafkaStreamProducer:
    """Writes messages of one topic; a workload's go to one partition, in order.

    A record's time is its message's, so that readers seek, and brokers expire, by the time at which
    something was measured.
    """

    def __init__(self, settings: KafkaSettings, topic: Topic) -> None:
        """Connect.

        Raises:
            UnavailableError: no broker is reached, or none lets us in.
        """
        self._wait_seconds: Final = settings.send_seconds_max
        self._writer: Final = KafkaWriter(
            settings, f"{settings.topic_prefix}{topic.name}", messages_max=settings.buffer_messages
        )

    def send(self, message: Message) -> None:
        """Queue a message."""
        self._writer.send(
            message.to_bytes(),
            key=message.key.encode(),
            timestamp_milliseconds=message.timestamp_milliseconds,
            wait_seconds=self._wait_seconds,
        )

    def flush(self, timeout_seconds: float) -> None:
        """Wait until all is acknowledged."""
        self._writer.flush(timeout_seconds)

    def waiting(self) -> int:
        """Count the messages that are not acknowledged yet."""
        return self._writer.waiting()

    def failed_total(self) -> int:
        """Count the messages that were given up."""
        return self._writer.failed_total()

    def identity(self) -> str:
        """The topic's own number; a broker older than 2.8 says none."""
        return self._writer.identity()

    def close(self) -> None:
        """Send what is queued, if that takes seconds only, and let go."""
        self._writer.close()
