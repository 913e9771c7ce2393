"""kafka-python's own log, which is of its insides: counted, and said rarely and in our words.

While a broker is away it tells of each of a hundred attempts a minute, twice, and on a busy machine
of each task that took long. Why nothing is read or written say those who wait for it; only what
nobody else would say is said here: that a connection was lost, or that something broke inside.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final, NamedTuple

from kafka.errors import KafkaConnectionError
from typing_extensions import override

_log = logging.getLogger(__name__)

LIBRARY: Final = "kafka"
#: From one line of ours to the next.
SILENT_SECONDS: Final = 600.0
_WORDS_MAX: Final = 200


class Meaning(NamedTuple):
    """What a line means to those who run the service."""

    what: str
    """Lines of one meaning are said as one."""
    said: str
    broken: BaseException | None = None
    """What broke inside, which nobody else says: with its traceback."""


class OwnLog(logging.Handler):
    """Takes what kafka-python warns of; where the root logger is at DEBUG all is shown as it is."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic: Final = monotonic
        self._silent_until_seconds: Final[dict[str, float]] = {}
        self._attempts = 0
        self._attempts_lock: Final = Lock()
        self._told_total = 0
        self.hidden_total = 0

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Count a warning, and say what it means where nobody else does."""
        root = logging.getLogger()
        if root.isEnabledFor(logging.DEBUG):
            root.handle(record)
            return
        if record.levelno < logging.WARNING:
            return
        self.hidden_total += 1
        meant = None if self._attempts else meaning(record)
        if meant is not None and self._is_due(meant):
            hidden, self._told_total = self.hidden_total - self._told_total, self.hidden_total
            _log.warning(
                "%s (lines of kafka-python since the last such line: %d)",
                meant.said,
                hidden,
                exc_info=meant.broken,
            )

    def _is_due(self, meant: Meaning) -> bool:
        """Whether nothing of this meaning was said of late; from now on it was."""
        now_seconds = self._monotonic()
        if now_seconds < self._silent_until_seconds.get(meant.what, now_seconds):
            return False
        self._silent_until_seconds[meant.what] = now_seconds + SILENT_SECONDS
        return True

    @contextmanager
    def left_to_caller(self) -> Iterator[None]:
        """While this lasts, who waits for a connection says why there is none."""
        with self._attempts_lock:
            self._attempts += 1
        try:
            yield
        finally:
            with self._attempts_lock:
                self._attempts -= 1


def meaning(record: logging.LogRecord) -> Meaning | None:
    """What a line means; None where it is kafka-python's own affair."""
    given = record.args if isinstance(record.args, tuple) else ()
    raised = record.exc_info[1] if record.exc_info else None
    errors = [each for each in (raised, *given) if isinstance(each, Exception)]
    for each in errors:
        if isinstance(each, KafkaConnectionError | OSError):
            what = "a connection to Kafka failed"
            return Meaning(what, f"{what} ({_words(each)}); it is tried again by itself")
    if raised is not None:
        what = "kafka-python failed at its work"
        return Meaning(what, f"{what}: {_words(raised)}", raised)
    return None


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    said = " ".join(str(error).split())[:_WORDS_MAX].removeprefix("KafkaConnectionError: ")
    return said or type(error).__name__


OWN_LOG: Final = OwnLog()


def keep_to_itself() -> OwnLog:
    """Have kafka-python's log go to `OWN_LOG` alone, from now on."""
    logger = logging.getLogger(LIBRARY)
    if OWN_LOG not in logger.handlers:
        logger.addHandler(OWN_LOG)
    logger.propagate = False
    return OWN_LOG
