"""Why no broker let us in. kafka-python raises only that it waited; the reason it logs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kafka import errors
from typing_extensions import override

from energy.errors import UnavailableError
from telemetry.kafka.failures import unavailable
from telemetry.kafka.settings import KafkaSettings

_LOGGER: Final = logging.getLogger("kafka.net.manager")
ABSENT: Final = "start the broker, or correct --kafka-servers"
#: What is logged -> what is wrong.
_OF_ADDRESS: Final = (
    ("REFUSED", "nobody listens there"),
    ("DNS Resolution failure", "its name does not resolve"),
)


class Refusals(logging.Handler):
    """Keeps the errors that kafka-python 3 logs of attempts to connect (a test asks brokers)."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[Exception] = []
        self._servers: set[str] = set()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's errors."""
        given = record.args if isinstance(record.args, tuple) else ()
        errors = [each for each in given if isinstance(each, Exception)]
        self.errors += errors
        if errors and isinstance(given[0], str):
            self._servers.add(given[0])

    @property
    def servers(self) -> int:
        """Of how many servers some attempt to connect has failed."""
        return len(self._servers)


@contextmanager
def heard() -> Iterator[Refusals]:
    """Give what is logged in this block; of other connections, too, if such are made."""
    refusals = Refusals()
    _LOGGER.addHandler(refusals)
    try:
        yield refusals
    finally:
        _LOGGER.removeHandler(refusals)


def refusal(settings: KafkaSettings, heard_errors: list[Exception]) -> UnavailableError | None:
    """Say the most telling of these errors in one line; None where none tells anything."""
    for each in heard_errors:
        if isinstance(each, errors.AuthorizationError | errors.SaslAuthenticationFailedError):
            return unavailable(each, settings.where)
    said = [str(each) for each in heard_errors]
    for words in said:
        if "Handshake failed" in words:
            return UnavailableError(
                f"TLS failed: {words.partition('Handshake failed: ')[2]}",
                where=settings.where,
                mend="see --kafka-tls-ca-file and --kafka-tls-cert-file",
            )
    is_garbled = any(isinstance(each, errors.InvalidReceiveError) for each in heard_errors)
    is_cut = any("disconnected" in words for words in said)
    if is_cut and settings.sasl_mechanism is not None:
        return UnavailableError(
            "it closes the connection while we log in",
            where=settings.where,
            mend="see --kafka-sasl-user, --kafka-sasl-password-file and --kafka-sasl-mechanism",
        )
    if is_garbled or (is_cut and not settings.speaks_tls):
        return UnavailableError(
            "it does not speak plain Kafka there", where=settings.where, mend="see --kafka-tls"
        )
    for sign, what in _OF_ADDRESS:
        if any(sign in words for words in said):
            return UnavailableError(what, where=settings.where, mend=ABSENT)
    return None
