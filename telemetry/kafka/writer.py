"""kafka-python's producer with what it lacks: a bounded buffer, and failures that are not lost."""

from __future__ import annotations

from contextlib import suppress
from threading import Condition
from typing import Any, Final

from kafka import KafkaProducer, errors
from kafka.errors import KafkaError

from energy.errors import UnavailableError
from telemetry.kafka.clients import MILLISECONDS, connected
from telemetry.kafka.failures import unavailable
from telemetry.kafka.settings import KafkaSettings

#: How long a message waits for others to be sent with it.
LINGER_MILLISECONDS: Final = 5
BATCH_BYTES: Final = 64 * 1024
CLOSE_SECONDS_MAX: Final = 3.0
#: What is wrong with one message. After any other error that waiting does not mend, an idempotent
#: producer of kafka-python sends nothing more, even if it is given the right that it lacked.
_OF_ONE_MESSAGE: Final = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidTimestampError,
    errors.InvalidRecordError,
    errors.RetriableError,
)


class KafkaWriter:
    """Sends bytes to one topic, idempotently and acknowledged by all replicas in sync.

    While no broker answers, messages wait in the buffer; they go out when one does. A message that
    is given up (refused, or too old) is counted, and said by the next `flush`.
    """

    def __init__(self, settings: KafkaSettings, topic: str, *, messages_max: int) -> None:
        """Connect.

        Raises:
            UnavailableError: no broker is reached, or none lets us in.
        """
        self._settings: Final = settings
        self._topic: Final = topic
        self._messages_max: Final = messages_max
        self._changed: Final = Condition()
        self._waiting = 0
        self._failed_total = 0
        self._failed_since_flush = 0
        self._failure: BaseException | None = None
        self._is_broken = False
        self._is_closed = False
        self._close_seconds = CLOSE_SECONDS_MAX
        self._producer: Any = self._connected()

    def send(
        self,
        value: bytes,
        *,
        key: bytes | None = None,
        headers: list[tuple[str, bytes]] | None = None,
        timestamp_milliseconds: int | None = None,
        wait_seconds: float = 0.0,
    ) -> None:
        """Queue a message; waits for room in the buffer.

        Raises:
            UnavailableError: there is no room, or the topic cannot be found: nothing was queued.
        """
        self._renew()
        with self._changed:
            if not self._changed.wait_for(self._has_room, wait_seconds):
                raise UnavailableError(
                    f"{self._messages_max} messages wait for an acknowledgement: the buffer is"
                    " full",
                    where=f"topic {self._topic}",
                )
            self._waiting += 1
        try:
            future = self._producer.send(
                self._topic,
                value=value,
                key=key,
                headers=headers,
                timestamp_ms=timestamp_milliseconds,
            )
        except (KafkaError, ValueError) as error:
            self._done()
            raise unavailable(error, f"topic {self._topic}") from None
        except BaseException:
            self._done()  # nothing was queued that could be waited for
            raise
        future.add_callback(self._acknowledged)
        future.add_errback(self._give_up)

    def flush(self, timeout_seconds: float) -> None:
        """Wait until nothing waits.

        Raises:
            UnavailableError: something still does, or something was given up since the last flush.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, timeout_seconds)
            # Who has waited in vain need not wait as long again to let go.
            self._close_seconds = CLOSE_SECONDS_MAX - (timeout_seconds if self._waiting else 0.0)
            waiting, failed, failure = self._waiting, self._failed_since_flush, self._failure
            self._failed_since_flush, self._failure = 0, None
        if failed and failure is not None:
            reason = unavailable(failure, f"topic {self._topic}")
            raise UnavailableError(
                f"{failed} messages were given up: {reason.what}",
                where=reason.where,
                mend=reason.mend,
            )
        if waiting:
            raise UnavailableError(
                f"{waiting} messages are not acknowledged yet", where=f"topic {self._topic}"
            )

    def waiting(self) -> int:
        """Count the messages that wait for an acknowledgement."""
        with self._changed:
            return self._waiting

    def failed_total(self) -> int:
        """Count the messages that were queued and then given up."""
        with self._changed:
            return self._failed_total

    def identity(self) -> str:
        """Name the topic's log as the brokers last did; "" where they did not."""
        number = self._producer._metadata.topic_id(self._topic)  # noqa: SLF001 - nowhere else
        return "" if number is None else f"kafka {number}"

    def close(self) -> None:
        """Send what waits, if that takes seconds only; what is left counts as given up."""
        if self._is_closed:
            return
        self._is_closed = True
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, max(0.0, self._close_seconds))
        self._let_go()

    def abandon(self) -> None:
        """Let go at once of all that waits."""
        self._is_closed = True
        self._let_go()

    def _let_go(self) -> None:
        # Its close() would first flush, raise where that fails, and so never close anything.
        self._producer.flush = _pass_over
        self._producer.close(timeout=0 if self.waiting() else CLOSE_SECONDS_MAX)

    def _connected(self) -> Any:  # noqa: ANN401 - ships no types
        settings = self._settings
        producer = connected(
            KafkaProducer,
            settings,
            acks="all",
            enable_idempotence=True,
            compression_type=None if settings.compression == "none" else settings.compression,
            linger_ms=LINGER_MILLISECONDS,
            batch_size=BATCH_BYTES,
            max_block_ms=max(1, int(settings.send_seconds_max * MILLISECONDS)),
            request_timeout_ms=int(settings.request_seconds * MILLISECONDS),
            delivery_timeout_ms=int(
                max(settings.delivery_seconds, settings.request_seconds + 1) * MILLISECONDS
            ),
            allow_auto_create_topics=False,
        )
        # Who knows the partitions can fill the buffer; who does not can queue nothing in an outage.
        with suppress(KafkaError):
            producer.partitions_for(self._topic)
        return producer

    def _renew(self) -> None:
        """Begin anew with a producer that can send again, once the broken one holds nothing."""
        if self._is_closed:
            raise UnavailableError("this producer is closed", where=f"topic {self._topic}")
        if self._is_broken and not self.waiting():
            self._let_go()
            self._producer = self._connected()
            self._is_broken = False

    def _has_room(self) -> bool:
        return self._waiting < self._messages_max

    def _acknowledged(self, _metadata: object) -> None:
        with self._changed:
            self._close_seconds = CLOSE_SECONDS_MAX  # brokers answer: waiting is worth while
            self._done()

    def _done(self) -> None:
        with self._changed:
            self._waiting -= 1
            self._changed.notify_all()

    def _give_up(self, error: BaseException) -> None:
        with self._changed:
            self._waiting -= 1
            self._failed_total += 1
            self._failed_since_flush += 1
            self._failure = self._failure or error
            self._is_broken = self._is_broken or not isinstance(error, _OF_ONE_MESSAGE)
            self._changed.notify_all()


def _pass_over(timeout: float | None = None) -> None:
    """Stand in for a flush."""
