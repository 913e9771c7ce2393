"""Poison messages, put where people find them with the reason, and never in the stream's way."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from energy.errors import NegawattError, UnavailableError
from telemetry.kafka.settings import KafkaSettings
from telemetry.kafka.topics import is_there
from telemetry.kafka.writer import KafkaWriter

LOGGER: Final = logging.getLogger(__name__)
#: What is kept of a message, so that poison cannot fill the disk quicker than it came.
VALUE_BYTES_MAX: Final = 64 * 1024
REASON_BYTES_MAX: Final = 500
WAITING_MAX: Final = 1000
FLUSH_SECONDS_MAX: Final = 2.0
#: After a refusal the topic is left alone for so long.
PAUSE_SECONDS: Final = 60.0
#: After no answer.
REST_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Letter:
    value: bytes
    key: bytes | None
    headers: list[tuple[str, bytes]]


class DeadLetters:
    """Writes poison to `<topic>.dead-letters`.

    What is refused there (no such topic, no right) is only counted. While no broker answers it
    waits, and so does the commit of what was read; beyond `WAITING_MAX` it is only counted, too.

    Headers: reason, topic, partition, offset; bytes where the value was cut.
    """

    def __init__(self, settings: KafkaSettings, topic: str, dead_letters: str) -> None:
        """Remember where to; nothing is connected before the first poison.

        Args:
            settings: of the brokers.
            topic: full name of the one that is read.
            dead_letters: full name of the one that poison goes to.
        """
        connect_seconds = min(settings.connect_seconds, FLUSH_SECONDS_MAX)
        self._settings: Final = settings.model_copy(
            update={"send_seconds_max": FLUSH_SECONDS_MAX, "connect_seconds": connect_seconds}
        )
        self._source: Final = topic
        self._topic: Final = dead_letters
        self._writer: KafkaWriter | None = None
        self._unsent: deque[_Letter] = deque()
        self._paused_until_seconds = 0.0
        self._resting_until_seconds = 0.0
        self._lost = 0
        self.total = 0

    def put(self, record: Any, reason: str) -> None:  # noqa: ANN401 - ships no types
        """Keep a record of kafka-python as a dead letter; raises nothing."""
        self.total += 1
        is_full = len(self._unsent) >= WAITING_MAX
        if is_full or time.monotonic() < self._paused_until_seconds:
            self._lost += 1
            return
        value = record.value or b""
        headers = [
            ("reason", reason.encode()[:REASON_BYTES_MAX]),
            ("topic", self._source.encode()),
            ("partition", str(record.partition).encode()),
            ("offset", str(record.offset).encode()),
        ]
        if len(value) > VALUE_BYTES_MAX:
            headers.append(("bytes", str(len(value)).encode()))
        self._unsent.append(_Letter(value[:VALUE_BYTES_MAX], record.key, headers))
        self._send()

    def flush(self) -> None:
        """Wait some seconds for acknowledgements: before the poison's offset is committed.

        Raises:
            UnavailableError: no broker has acknowledged them yet: they wait.
        """
        self._send()
        if self._writer is not None and self._writer.waiting():
            try:
                self._writer.flush(FLUSH_SECONDS_MAX)
            except UnavailableError as error:
                if not self._writer.waiting() or self._is_refused():
                    self._give_up(error)
        waiting = len(self._unsent) + (self._writer.waiting() if self._writer is not None else 0)
        if waiting:
            raise UnavailableError(f"{waiting} dead letters wait", where=f"topic {self._topic}")

    def lost_total(self) -> int:
        """Count the poison that is not among the dead letters."""
        return self._lost + (self._writer.failed_total() if self._writer is not None else 0)

    def close(self) -> None:
        """Let go."""
        if self._writer is not None:
            self._writer.close()

    def _send(self) -> None:
        if not self._unsent or time.monotonic() < self._resting_until_seconds:
            return
        if self._writer is None and self._is_refused():
            self._give_up(UnavailableError("there is no such topic", where=f"topic {self._topic}"))
            return
        try:
            if self._writer is None:
                self._writer = KafkaWriter(self._settings, self._topic, messages_max=WAITING_MAX)
            while self._unsent:
                letter = self._unsent[0]
                self._writer.send(
                    letter.value,
                    key=letter.key,
                    headers=letter.headers,
                    wait_seconds=FLUSH_SECONDS_MAX,
                )
                self._unsent.popleft()
        except NegawattError as error:
            if self._writer is not None and self._is_refused():
                self._give_up(error)
            self._resting_until_seconds = time.monotonic() + REST_SECONDS

    def _is_refused(self) -> bool:
        """Whether waiting helps nothing: a broker answers, and has no such topic for us."""
        try:
            return not is_there(self._settings, self._topic)
        except NegawattError:
            return False

    def _give_up(self, error: NegawattError) -> None:
        LOGGER.warning("poison of %s is only counted for a while: %s", self._source, error)
        self._lost += len(self._unsent)
        self._unsent.clear()
        if self._writer is not None and self._writer.waiting():
            self._lost += self._writer.waiting() + self._writer.failed_total()
            self._writer.abandon()
            self._writer = None
        self._paused_until_seconds = time.monotonic() + PAUSE_SECONDS
