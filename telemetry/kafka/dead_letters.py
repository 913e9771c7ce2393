"""Poison messages, put where people find them with the reason, and never in the stream's way."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from energy.errors import NegawattError
from telemetry.kafka.settings import KafkaSettings
from telemetry.kafka.writer import KafkaWriter

LOGGER: Final = logging.getLogger(__name__)
#: What is kept of a message, so that poison cannot fill the disk quicker than it came.
VALUE_BYTES_MAX: Final = 64 * 1024
REASON_BYTES_MAX: Final = 500
WAITING_MAX: Final = 1000
FLUSH_SECONDS_MAX: Final = 2.0
#: After a failure the topic is left alone for so long.
PAUSE_SECONDS: Final = 60.0


class DeadLetters:
    """Writes poison to `<topic>.dead-letters`; what cannot be written there is only counted.

    Headers: reason, topic, partition, offset; bytes where the value was cut.
    """

    def __init__(self, settings: KafkaSettings, topic: str, dead_letters: str) -> None:
        """Remember where to; nothing is connected before the first poison.

        Args:
            settings: of the brokers.
            topic: full name of the one that is read.
            dead_letters: full name of the one that poison goes to.
        """
        self._settings: Final = settings.model_copy(update={"send_seconds_max": FLUSH_SECONDS_MAX})
        self._source: Final = topic
        self._topic: Final = dead_letters
        self._writer: KafkaWriter | None = None
        self._paused_until_seconds = 0.0
        self._lost = 0
        self.total = 0

    def put(self, record: Any, reason: str) -> None:  # noqa: ANN401 - ships no types
        """Keep a record of kafka-python as a dead letter; raises nothing."""
        self.total += 1
        value = record.value or b""
        headers = [
            ("reason", reason.encode()[:REASON_BYTES_MAX]),
            ("topic", self._source.encode()),
            ("partition", str(record.partition).encode()),
            ("offset", str(record.offset).encode()),
        ]
        if len(value) > VALUE_BYTES_MAX:
            headers.append(("bytes", str(len(value)).encode()))
        if time.monotonic() < self._paused_until_seconds:
            self._lost += 1
            return
        try:
            if self._writer is None:
                self._writer = KafkaWriter(self._settings, self._topic, messages_max=WAITING_MAX)
            self._writer.send(value[:VALUE_BYTES_MAX], key=record.key, headers=headers)
        except NegawattError as error:
            self._pause(error)
            self._lost += 1

    def flush(self) -> None:
        """Wait some seconds for acknowledgements: before the poison's offset is committed."""
        if self._writer is None or not self._writer.waiting():
            return
        try:
            self._writer.flush(FLUSH_SECONDS_MAX)
        except NegawattError as error:
            self._pause(error)

    def lost_total(self) -> int:
        """Count the poison that is not among the dead letters."""
        return self._lost + (self._writer.failed_total() if self._writer is not None else 0)

    def close(self) -> None:
        """Let go."""
        if self._writer is not None:
            self._writer.close()

    def _pause(self, error: NegawattError) -> None:
        LOGGER.warning("poison of %s is only counted for a while: %s", self._source, error)
        self._paused_until_seconds = time.monotonic() + PAUSE_SECONDS
