"""What a stream can do, whether it is memory or Kafka; blocking calls, each object for one thread.

Delivery is at least once, in order for each key. A reader keeps the effects of a batch, then
commits it; what was read but not committed comes again, to it or to whoever takes over its
partitions. So effects must bear repetition: samples are upserted by (key, timestamp).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from telemetry.messages import Message, TrafficForecast, TrafficSample

DAY_MILLISECONDS: Final = 86_400_000
#: How many records `poll` hands over at once unless it is told.
RECORDS_MAX: Final = 2_000

PartitionsCallback: TypeAlias = Callable[[frozenset[int]], None]


def do_nothing(_partitions: frozenset[int]) -> None:
    """What is done about partitions that come or go, unless a reader says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A stream of one kind of message.

    Attributes:
        name: what it is called on the broker.
        decode: reads one message; raises InputError for poison, and gives None for what is sound
            but none of ours, which is passed over.
        retention_milliseconds: how long the broker must keep a message at least.
        is_keyed: whether the messages of a workload have its key, and so lie in one partition;
            where they do not, only a topic of one partition keeps them together.
    """

    name: str
    decode: Callable[[bytes], Message | None]
    retention_milliseconds: int
    is_keyed: bool = True

    @property
    def dead_letters(self) -> str:
        """The name of the topic that poison goes to."""
        return f"{self.name}.dead-letters"


#: Nine days: what the forecaster's eight days of history are rebuilt from, and a day to spare.
SAMPLES_TOPIC: Final = Topic(
    name="negawatt.samples.v1",
    decode=TrafficSample.from_bytes,
    retention_milliseconds=9 * DAY_MILLISECONDS,
)
FORECASTS_TOPIC: Final = Topic(
    name="negawatt.forecasts.v1",
    decode=TrafficForecast.from_bytes,
    retention_milliseconds=DAY_MILLISECONDS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A message and where it stands; (partition, offset) names it for good.

    `key` is the message's workload, `timestamp_milliseconds` the message's own time.
    """

    partition: int
    offset: int
    key: str
    message: Message
    timestamp_milliseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one poll brought, in the order of each partition.

    Attributes:
        records: sound messages.
        positions: the offset after the last one read, by partition; it counts what was passed over
            or was poison, too, so a batch without records may still be worth a commit.
    """

    records: tuple[Record, ...] = ()
    positions: Mapping[int, int] = field(default_factory=dict)


class Producer(Protocol):
    """Writes messages of one topic; those of one key stay in order."""

    def send(self, message: Message) -> None:
        """Queue a message; returns before it is acknowledged.

        Raises:
            UnavailableError: the bounded buffer stays full: the message is not queued. Keep it and
                try again, or drop and count it.
        """

    def flush(self, timeout_seconds: float) -> None:
        """Wait until all that was queued is acknowledged.

        Raises:
            UnavailableError: not all was within the time, or some were refused since the last
                flush (says how many and why); what waits is still tried, what was refused is gone
                and is to be sent again by who can.
        """

    def failed_total(self) -> int:
        """Count the messages that were queued and then given up, so far."""

    def identity(self) -> str:
        """Name the log that is written to: a topic made anew has another; "" where nobody says."""

    def close(self) -> None:
        """Send what is queued, if that takes seconds only, and let go; more often than once."""


class Consumer(Protocol):
    """Reads a topic as a member of a group, among whose members the partitions are divided.

    A new group begins at the oldest message. Both callbacks are called inside `poll` and `close`,
    and may call this object, but for those two.
    """

    def poll(self, timeout_seconds: float, records_max: int = RECORDS_MAX) -> Batch:
        """Wait for messages, until some are there or the time is over.

        While the stream cannot be reached this waits and brings nothing; it goes on by itself.

        Raises:
            UnavailableError: it cannot be read at all: the topic lacks, or rights do.
        """

    def commit(self, batch: Batch) -> None:
        """Keep that everything up to the end of this batch is done, also of earlier batches.

        Partitions that are no longer ours are left out: their new reader has them again.

        Raises:
            UnavailableError: it could not be kept; the commit of a later batch makes up for it.
        """

    def identity(self) -> str:
        """Names the log that offsets are of: a topic made anew has another. For `on_assigned`."""

    def assigned(self) -> frozenset[int]:
        """The partitions that are ours at present."""

    def position(self, partition: int) -> int:
        """The offset that is read next in a partition of ours."""

    def seek(self, partition: int, offset: int) -> None:
        """Read on from an offset in a partition of ours.

        Where there is none such (any more, or yet) from the oldest message that there is: an offset
        beyond the end was of a topic that was created anew since.
        """

    def seek_to_time(self, partition: int, timestamp_milliseconds: int) -> None:
        """Read on from the first message that is not older; from the end where there is none."""

    def lag_messages(self) -> Mapping[int, int]:
        """How many messages we have not read yet, by partition of ours."""

    def dead_letters_total(self) -> int:
        """Count the messages that were poison so far; `poll` never brings those."""

    def close(self) -> None:
        """Give our partitions to others, without a commit; more often than once."""


class Stream(Protocol):
    """Makes producers and consumers."""

    def producer(self, topic: Topic) -> Producer:
        """Make a writer.

        Raises:
            UnavailableError: the stream or the topic is not there.
        """

    def consumer(
        self,
        topic: Topic,
        group: str,
        on_assigned: PartitionsCallback = do_nothing,
        on_revoked: PartitionsCallback = do_nothing,
    ) -> Consumer:
        """Make a reader.

        Args:
            topic: what to read.
            group: its members share the partitions, and what is committed.
            on_assigned: told which partitions have come to us; the place to seek.
            on_revoked: told which go; the place to keep their state and to commit. Another reader
                has them only after it returns, unless they were lost in silence.

        Raises:
            UnavailableError: the stream or the topic is not there.
        """


def positions_of(positions: Mapping[int, int], partitions: Collection[int]) -> dict[int, int]:
    """Leave out of positions the partitions that are not among these."""
    return {each: offset for each, offset in positions.items() if each in partitions}
