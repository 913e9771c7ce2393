"""Topics: are they there, are they as we need them, and if not, may we create them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from energy.errors import UnavailableError
from telemetry.kafka.clients import MILLISECONDS, administrator
from telemetry.kafka.failures import unavailable
from telemetry.kafka.settings import KafkaSettings
from telemetry.stream.interface import DAY_MILLISECONDS, Topic

#: Dead letters are for people, who may be away for a week.
DEAD_LETTER_DAYS: Final = 14
_NO_SUCH_TOPIC: Final = errors.UnknownTopicOrPartitionError.errno
_NOT_OURS: Final = errors.TopicAuthorizationFailedError.errno
_RETENTION: Final = "retention.ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic as the brokers have it.

    Attributes:
        name: with the prefix.
        partitions: 0 where there is no such topic.
        replicas: of its first partition.
        retention_milliseconds: None where it keeps everything, or we may not know.
        fault: what is not as we need it, in one line; "" where all is well.
    """

    name: str
    partitions: int = 0
    replicas: int = 0
    retention_milliseconds: int | None = None
    fault: str = ""


def ensure(settings: KafkaSettings, topic: Topic, *, dead_letters: bool) -> TopicState:
    """Create what lacks of a topic and, where asked, of its dead letters, if we may.

    Dead letters are never worth an error: without them poison is only counted.

    Raises:
        UnavailableError: the topic is not there and cannot be created; it has several partitions,
            but no keys; no broker lets us in.
    """
    admin = administrator(settings)
    try:
        state = _existing(admin, settings, topic)
        if not state.partitions:
            _create_topic(admin, settings, topic)
            state = _existing(admin, settings, topic)
        if state.partitions > 1 and not topic.is_keyed:
            raise UnavailableError(
                f"it has {state.partitions} partitions and its messages have no key, so that those"
                " of one workload are torn apart",
                where=f"topic {state.name}",
                mend="have them written to a topic of one partition",
            )
        if dead_letters:
            _ensure_dead_letters(admin, settings, topic)
    except KafkaError as error:
        raise unavailable(error, f"topic {settings.topic_prefix}{topic.name}") from None
    finally:
        admin.close()
    return state


def look(settings: KafkaSettings, topic: Topic) -> TopicState:
    """Describe a topic without a change.

    Raises:
        UnavailableError: no broker lets us in, or we may not see the topic.
    """
    admin = administrator(settings)
    try:
        return _existing(admin, settings, topic)
    except KafkaError as error:
        raise unavailable(error, f"topic {settings.topic_prefix}{topic.name}") from None
    finally:
        admin.close()


def is_there(settings: KafkaSettings, name: str) -> bool:
    """Whether a topic of this full name is there, and ours to see.

    Raises:
        UnavailableError: no broker lets us in.
    """
    admin = administrator(settings)
    try:
        (found,) = admin.describe_topics([name])
    except KafkaError as error:
        raise unavailable(error, f"topic {name}") from None
    finally:
        admin.close()
    return found["error_code"] not in {_NO_SUCH_TOPIC, _NOT_OURS}


def _existing(admin: Any, settings: KafkaSettings, topic: Topic) -> TopicState:  # noqa: ANN401
    name = f"{settings.topic_prefix}{topic.name}"
    (found,) = admin.describe_topics([name])
    if found["error_code"] == _NO_SUCH_TOPIC:
        return TopicState(name=name, fault="it is not there")
    if found["error_code"]:
        raise errors.for_code(found["error_code"])(name)
    retention = _retention(admin, name)
    needed = topic.retention_milliseconds
    short = retention is not None and retention < needed
    kept = "" if retention is None else f"{retention / DAY_MILLISECONDS:.3g}"
    return TopicState(
        name=name,
        partitions=len(found["partitions"]),
        replicas=len(found["partitions"][0]["replica_nodes"]),
        retention_milliseconds=retention,
        fault=f"it keeps messages for {kept} days, not {needed / DAY_MILLISECONDS:.3g}: set"
        f" {_RETENTION}={needed}"
        if short
        else "",
    )


def _retention(admin: Any, name: str) -> int | None:  # noqa: ANN401
    resource = ConfigResource(ConfigResourceType.TOPIC, name, {_RETENTION: None})
    try:
        found = admin.describe_configs([resource], config_filter="all")
        value = int(found["topic"][name][_RETENTION]["value"])
    except (KafkaError, KeyError, TypeError, ValueError):
        return None  # we may read and write it, but not see how it is set up
    return value if value >= 0 else None


def _create_topic(admin: Any, settings: KafkaSettings, topic: Topic) -> None:  # noqa: ANN401
    name = f"{settings.topic_prefix}{topic.name}"
    partitions = settings.partitions if topic.is_keyed else 1
    wanted = {
        "num_partitions": partitions,
        "configs": {
            "cleanup.policy": "delete",
            _RETENTION: str(topic.retention_milliseconds),
            "message.timestamp.type": "CreateTime",
        },
    }
    command = (
        f"kafka-topics.sh --create --topic {name} --partitions {partitions}"
        f" --config {_RETENTION}={topic.retention_milliseconds}"
    )
    if not settings.create_topics:
        raise UnavailableError("there is no such topic", where=f"topic {name}", mend=command)
    try:
        _create(admin, settings, name, wanted)
    except errors.AuthorizationError:
        raise UnavailableError(
            "there is no such topic, and we may not create it", where=f"topic {name}", mend=command
        ) from None


def _ensure_dead_letters(admin: Any, settings: KafkaSettings, topic: Topic) -> None:  # noqa: ANN401
    name = f"{settings.topic_prefix}{topic.dead_letters}"
    wanted = {
        "num_partitions": 1,
        "configs": {_RETENTION: str(DEAD_LETTER_DAYS * DAY_MILLISECONDS)},
    }
    try:
        (found,) = admin.describe_topics([name])
        if found["error_code"] == _NO_SUCH_TOPIC and settings.create_topics:
            _create(admin, settings, name, wanted)
    except KafkaError:
        return


def _create(
    admin: Any,  # noqa: ANN401
    settings: KafkaSettings,
    name: str,
    wanted: Mapping[str, object],
) -> None:
    replicas = settings.replication_factor or -1
    timeout = int(settings.request_seconds * MILLISECONDS)
    with suppress(errors.TopicAlreadyExistsError):  # another process was quicker
        admin.create_topics({name: {**wanted, "replication_factor": replicas}}, timeout_ms=timeout)
    admin.wait_for_topics([name], timeout_ms=timeout)
