"""What kafka-python raises, in words for people: one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kafka import errors

from energy.errors import UnavailableError

#: Error -> what is wrong, how to mend it. The first that fits counts.
_TABLE: Final[Sequence[tuple[type[Exception], str, str]]] = (
    (
        errors.TopicAuthorizationFailedError,
        "we may not do this with the topic",
        "grant our user READ, WRITE, DESCRIBE and DESCRIBE_CONFIGS on it",
    ),
    (
        errors.GroupAuthorizationFailedError,
        "we may not read as this group",
        "grant our user READ on the group",
    ),
    (
        errors.ClusterAuthorizationFailedError,
        "our user lacks a right",
        "grant it WRITE on the topic to write, CREATE on it to have it created",
    ),
    (
        errors.SaslAuthenticationFailedError,
        "our user or password was refused",
        "see --kafka-sasl-user and --kafka-sasl-password-file",
    ),
    (
        errors.UnsupportedSaslMechanismError,
        "the broker does not know this way to log in",
        "see --kafka-sasl-mechanism",
    ),
    (
        errors.UnknownTopicOrPartitionError,
        "there is no such topic",
        "create it, or let us (--kafka-create-topics)",
    ),
    (
        errors.InvalidReplicationFactorError,
        "there are fewer brokers than replicas asked for",
        "see --kafka-replication-factor",
    ),
    (errors.PolicyViolationError, "the cluster's policy forbids the topic", "create it yourself"),
    (
        errors.UnsupportedCodecError,
        "messages are compressed in a way that we cannot read",
        "have their producer use gzip or none",
    ),
    (errors.MessageSizeTooLargeError, "a message is larger than the brokers take", ""),
    (
        errors.InvalidTimestampError,
        "the broker refuses a message's time, which is too far in the future or past",
        "set the clocks, or the topic's message.timestamp.after.max.ms",
    ),
    (errors.KafkaTimeoutError, "no answer in time", ""),
    (errors.KafkaConnectionError, "the connection failed", ""),
)


def unavailable(error: BaseException, where: str) -> UnavailableError:
    """Say in one line what a client's error means, and where it happened."""
    if isinstance(error, UnavailableError):
        return error
    for kind, what, mend in _TABLE:
        # The producer wraps what it cannot recover from in a plain KafkaError.
        is_inside = type(error) is errors.KafkaError and kind.__name__ in str(error)
        if is_inside or isinstance(error, kind):
            return UnavailableError(what, where=where, mend=mend)
    said = " ".join(str(error).split())[:200]
    name = type(error).__name__
    return UnavailableError(f"{name}: {said}" if said else name, where=where)


def is_passing(error: BaseException) -> bool:
    """Whether an error goes away by waiting: a broker that restarts, a leader that changes."""
    if isinstance(error, errors.BrokerResponseError) and not error.retriable:
        return False
    return isinstance(error, errors.RetriableError | OSError)
