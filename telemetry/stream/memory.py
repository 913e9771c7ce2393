"""A stream inside one process: bridge and forecaster as threads, and nothing outlives them.

It keeps what a group with members has not committed and, while there is room, all else; when a
partition is full of what somebody has still to read, writers wait. The forecaster's history is read
from Prometheus after a start, so that losing all this costs nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from threading import Condition
from typing import Final
from uuid import uuid4
from zlib import crc32

from energy.errors import UnavailableError
from telemetry.messages import Message
from telemetry.stream.interface import (
    RECORDS_MAX,
    Batch,
    PartitionsCallback,
    Record,
    Topic,
    do_nothing,
    positions_of,
)

#: About 100 MB of samples: 300 workloads' day in one partition.
MEMORY_RECORDS_MAX: Final = 100_000
SEND_SECONDS_MAX: Final = 5.0


@dataclass(slots=True)
class _Partition:
    """A log whose oldest records may be gone."""

    first_offset: int = 0
    records: deque[Record] = field(default_factory=deque)

    @property
    def next_offset(self) -> int:
        return self.first_offset + len(self.records)

    def drop_before(self, offset: int, count_max: int) -> None:
        while self.records and self.first_offset < offset and count_max > 0:
            self.records.popleft()
            self.first_offset += 1
            count_max -= 1


@dataclass(slots=True)
class _Group:
    """Who reads together, who has which partition, and how far all is done."""

    members: list[MemoryConsumer] = field(default_factory=list)
    owners: dict[int, MemoryConsumer] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Log:
    """All of one topic."""

    partitions: list[_Partition]
    identity: str = field(default_factory=lambda: f"memory {uuid4()}")
    groups: dict[str, _Group] = field(default_factory=dict)


class MemoryStream:
    """Makes producers and consumers that meet in memory."""

    def __init__(
        self,
        *,
        partitions: int = 1,
        records_max: int = MEMORY_RECORDS_MAX,
        send_seconds_max: float = SEND_SECONDS_MAX,
    ) -> None:
        """Make an empty stream.

        Args:
            partitions: of every topic.
            records_max: what each partition keeps at most.
            send_seconds_max: how long a writer waits for room.
        """
        self.changed: Final = Condition()
        self.records_max: Final = records_max
        self.send_seconds_max: Final = send_seconds_max
        self._partitions: Final = partitions
        self._logs: Final[dict[str, _Log]] = {}

    def producer(self, topic: Topic) -> MemoryProducer:
        """Make a writer."""
        return MemoryProducer(self, self._log(topic), topic)

    def consumer(
        self,
        topic: Topic,
        group: str,
        on_assigned: PartitionsCallback = do_nothing,
        on_revoked: PartitionsCallback = do_nothing,
    ) -> MemoryConsumer:
        """Make a reader; it is a member of its group from now on."""
        log = self._log(topic)
        with self.changed:
            joined = log.groups.setdefault(group, _Group())
            consumer = MemoryConsumer(self.changed, log, joined, on_assigned, on_revoked)
            joined.members.append(consumer)
            self.changed.notify_all()
        return consumer

    def _log(self, topic: Topic) -> _Log:
        with self.changed:
            new = _Log([_Partition() for _ in range(self._partitions)])
            return self._logs.setdefault(topic.name, new)


class MemoryProducer:
    """Writes into memory: what `send` took is there."""

    def __init__(self, stream: MemoryStream, log: _Log, topic: Topic) -> None:
        self._stream = stream
        self._log = log
        self._topic = topic
        self._closed = False

    def send(self, message: Message) -> None:
        """Append a message to its key's partition; waits for room."""
        if self._closed:
            raise UnavailableError("this producer is closed", where=self._topic.name)
        number = crc32(message.key.encode()) % len(self._log.partitions)
        changed = self._stream.changed
        with changed:
            if not changed.wait_for(lambda: self._room(number), self._stream.send_seconds_max):
                raise UnavailableError(
                    f"partition {number} is full of messages that nobody has read",
                    where=self._topic.name,
                )
            partition = self._log.partitions[number]
            record = Record(
                partition=number,
                offset=partition.next_offset,
                key=message.key,
                message=message,
                timestamp_milliseconds=message.timestamp_milliseconds,
            )
            partition.records.append(record)
            changed.notify_all()

    def _room(self, number: int) -> bool:
        partition = self._log.partitions[number]
        excess = len(partition.records) + 1 - self._stream.records_max
        if excess > 0:
            groups = self._log.groups.values()
            done = [group.committed.get(number, 0) for group in groups if group.members]
            partition.drop_before(min(done, default=partition.next_offset), excess)
        return len(partition.records) < self._stream.records_max

    def flush(self, timeout_seconds: float) -> None:
        """Do nothing: what was taken is there."""

    def failed_total(self) -> int:
        """0: what was taken is there."""
        return 0

    def identity(self) -> str:
        """Another one for each stream, as for its consumers."""
        return self._log.identity

    def close(self) -> None:
        """Let go."""
        self._closed = True


class MemoryConsumer:
    """Reads from memory; takes and gives partitions one by one as members come and go."""

    def __init__(
        self,
        changed: Condition,
        log: _Log,
        group: _Group,
        on_assigned: PartitionsCallback,
        on_revoked: PartitionsCallback,
    ) -> None:
        self._changed = changed
        self._log = log
        self._group = group
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._positions: dict[int, int] = {}
        self._next = 0

    def poll(self, timeout_seconds: float, records_max: int = RECORDS_MAX) -> Batch:
        """Wait for messages of partitions that are ours, or could be."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._rebalance()
            with self._changed:
                batch = self._take(records_max)
                left = deadline - time.monotonic()
                if batch.records or left <= 0:
                    return batch
                if not self._is_to_change():
                    self._changed.wait(left)

    def commit(self, batch: Batch) -> None:
        """Keep how far we are in what is ours."""
        with self._changed:
            self._group.committed.update(positions_of(batch.positions, self._positions))
            self._changed.notify_all()

    def identity(self) -> str:
        """Another one for each stream: nothing of it outlives the process."""
        return self._log.identity

    def assigned(self) -> frozenset[int]:
        """The partitions that are ours."""
        return frozenset(self._positions)

    def position(self, partition: int) -> int:
        """The offset that is read next."""
        return self._positions[partition]

    def seek(self, partition: int, offset: int) -> None:
        """Read on from an offset."""
        with self._changed:
            log = self._log.partitions[partition]
            is_there = log.first_offset <= offset <= log.next_offset
            self._positions[partition] = offset if is_there else log.first_offset

    def seek_to_time(self, partition: int, timestamp_milliseconds: int) -> None:
        """Read on from the first record that is not older."""
        with self._changed:
            log = self._log.partitions[partition]
            young = (
                each.offset
                for each in log.records
                if each.timestamp_milliseconds >= timestamp_milliseconds
            )
            self._positions[partition] = next(young, log.next_offset)

    def lag_messages(self) -> Mapping[int, int]:
        """What we have not read yet."""
        with self._changed:
            return {
                each: self._log.partitions[each].next_offset - position
                for each, position in self._positions.items()
            }

    def dead_letters_total(self) -> int:
        """0: there is no poison in memory."""
        return 0

    def close(self) -> None:
        """Leave the group."""
        if self not in self._group.members:
            return
        try:
            if self._positions:
                self._on_revoked(self.assigned())
        finally:
            with self._changed:
                self._group.members.remove(self)
                self._release(self.assigned())

    def _share(self) -> frozenset[int]:
        """What is to be ours: every n-th partition, n members in the order of their coming."""
        members = self._group.members
        if self not in members:
            raise UnavailableError("this consumer is closed")
        numbers = range(len(self._log.partitions))
        return frozenset(numbers[members.index(self) :: len(members)])

    def _is_to_change(self) -> bool:
        share = self._share()
        free = share - self._group.owners.keys()
        return bool(self._positions.keys() - share or free)

    def _rebalance(self) -> None:
        """Give what is another's, with a word before; then take what is ours and was given up."""
        with self._changed:
            gone = frozenset(self._positions) - self._share()
        if gone:
            self._on_revoked(gone)
        with self._changed:
            self._release(gone)
            new = self._share() - self._group.owners.keys()
            for each in new:
                self._group.owners[each] = self
                done = self._group.committed.get(each, 0)
                self._positions[each] = max(done, self._log.partitions[each].first_offset)
        if new:
            self._on_assigned(new)

    def _release(self, partitions: frozenset[int]) -> None:
        for each in partitions:
            del self._positions[each]
            del self._group.owners[each]
        if partitions:
            self._changed.notify_all()

    def _take(self, records_max: int) -> Batch:
        """Read what is there, beginning with another partition each time."""
        numbers = sorted(self._positions)
        self._next += 1
        turned = [numbers[(self._next + i) % len(numbers)] for i in range(len(numbers))]
        records: list[Record] = []
        positions: dict[int, int] = {}
        for number in turned:
            log = self._log.partitions[number]
            start = max(0, self._positions[number] - log.first_offset)
            room = records_max - len(records)
            found = list(islice(log.records, start, start + room))
            if found:
                records += found
                positions[number] = self._positions[number] = found[-1].offset + 1
        return Batch(records=tuple(records), positions=positions)
