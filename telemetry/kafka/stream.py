"""Makes producers and consumers on Kafka."""

from __future__ import annotations

import logging
from threading import Lock
from typing import Final

from telemetry.kafka.clients import client_options
from telemetry.kafka.consumer import KafkaStreamConsumer
from telemetry.kafka.producer import KafkaStreamProducer
from telemetry.kafka.settings import KafkaSettings
from telemetry.kafka.topics import TopicState, ensure, look
from telemetry.stream.interface import PartitionsCallback, Topic, do_nothing

LOGGER: Final = logging.getLogger(__name__)


class KafkaStream:
    """A stream that outlives its writers and readers, and is shared by several of each."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Remember the settings; nothing is connected yet."""
        self._settings: Final = settings
        self._ensured: Final[set[str]] = set()
        self._lock: Final = Lock()

    def require_files(self) -> None:
        """Look whether the files that the settings name can be used; they are read anew later.

        Raises:
            InputError: one cannot.
        """
        client_options(self._settings)

    def producer(self, topic: Topic) -> KafkaStreamProducer:
        """Make a writer; creates the topic where it lacks and we may.

        Raises:
            UnavailableError: no broker lets us in, or the topic is not there.
        """
        self._ensure(topic, dead_letters=False)
        return KafkaStreamProducer(self._settings, topic)

    def consumer(
        self,
        topic: Topic,
        group: str,
        on_assigned: PartitionsCallback = do_nothing,
        on_revoked: PartitionsCallback = do_nothing,
    ) -> KafkaStreamConsumer:
        """Make a reader; creates the topic, and that of its dead letters, where we may.

        Raises:
            UnavailableError: no broker lets us in, or the topic is not there.
        """
        self._ensure(topic, dead_letters=True)
        return KafkaStreamConsumer(self._settings, topic, group, on_assigned, on_revoked)

    def look(self, topic: Topic) -> TopicState:
        """Describe a topic without a change.

        Raises:
            UnavailableError: no broker lets us in, or we may not see the topic.
        """
        return look(self._settings, topic)

    def _ensure(self, topic: Topic, *, dead_letters: bool) -> None:
        with self._lock:
            wanted = {topic.name, topic.dead_letters} if dead_letters else {topic.name}
            if wanted <= self._ensured:
                return
            state = ensure(self._settings, topic, dead_letters=dead_letters)
            self._ensured.update(wanted)
        if state.fault:
            LOGGER.warning("topic %s: %s", state.name, state.fault)
