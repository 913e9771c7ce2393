"""A stream's consumer on Kafka: a member of a group that shares the partitions cooperatively."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import CommitFailedError, IllegalStateError, KafkaError
from kafka.structs import MemberState

from energy.errors import InputError, NegawattError, UnavailableError
from telemetry.kafka.clients import MILLISECONDS, connected
from telemetry.kafka.dead_letters import DeadLetters
from telemetry.kafka.failures import is_passing, unavailable
from telemetry.kafka.handover import Change, Handover, Rebalances, Request
from telemetry.kafka.settings import KafkaSettings
from telemetry.stream.interface import (
    RECORDS_MAX,
    Batch,
    PartitionsCallback,
    Record,
    Topic,
    positions_of,
)

HEARTBEAT_MILLISECONDS_MAX: Final = 3000
LOOK_MILLISECONDS_MAX: Final = 5000
#: What we have not read yet is only told of: that may wait for brokers that are there again.
LAG_MILLISECONDS_MAX: Final = 2000
CLOSE_MILLISECONDS_MAX: Final = 3000
#: How long commits that fail may take in all at the end: every partition has one.
CLOSE_COMMIT_SECONDS_MAX: Final = 2.0
#: How long a poll goes on before it looks whether we were closed.
SLICE_MILLISECONDS: Final = 1000
#: A poll that ends in time takes a little longer than it was told.
GRACE: Final = 0.05


class KafkaStreamConsumer:
    """Reads messages of one topic; commits only when it is told to.

    Partitions move one by one: what stays with us is read on during a rebalance. One thread uses
    it, and both callbacks are called in that one.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: Topic,
        group: str,
        on_assigned: PartitionsCallback,
        on_revoked: PartitionsCallback,
    ) -> None:
        """Connect; the group is joined by the first `poll`.

        Raises:
            UnavailableError: no broker is reached, or none lets us in.
        """
        self._settings: Final = settings
        self._topic: Final = topic
        self._name: Final = f"{settings.topic_prefix}{topic.name}"
        self._on_assigned: Final = on_assigned
        self._on_revoked: Final = on_revoked
        self._positions: dict[int, int] = {}
        self._owned: frozenset[int] = frozenset()
        self._lost: frozenset[int] = frozenset()
        self._held: dict[Any, list[Any]] = {}
        self._early: dict[int, int] = {}
        self._failure: Exception | None = None
        self._is_closed = False
        self._commit_seconds_left: float | None = None
        self._is_answering = False
        self._dead: Final = DeadLetters(
            settings, self._name, f"{settings.topic_prefix}{topic.dead_letters}"
        )
        rebalances = Rebalances()
        self._kafka: Any = _member(settings, f"{settings.topic_prefix}{group}")
        self._handover: Final = Handover(rebalances, self._answer, self._wake)
        self._kafka.subscribe([self._name], listener=rebalances)

    def poll(self, timeout_seconds: float, records_max: int = RECORDS_MAX) -> Batch:
        """Wait for messages."""
        if self._is_closed:
            raise UnavailableError("this consumer is closed", where=f"topic {self._name}")
        # What an exception leaves behind, ours or a callback's, comes with the next poll.
        self._held = polled = self._held or self._polled(timeout_seconds, records_max)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        positions = {each.partition: records[-1].offset + 1 for each, records in polled.items()}
        records = tuple(record for each in polled.values() for record in self._sound(each))
        self._positions.update(positions)
        self._held = {}
        return Batch(records=records, positions=positions)

    def commit(self, batch: Batch) -> None:
        """Keep that everything up to the end of this batch is done."""
        self._dead.flush()
        ours = positions_of(batch.positions, self._owned - self._lost)
        if not ours:
            return
        offsets = {
            TopicPartition(self._name, each): OffsetAndMetadata(offset, "", -1)
            for each, offset in ours.items()
        }
        seconds = self._settings.commit_seconds
        if self._commit_seconds_left is not None:
            seconds = min(seconds, self._commit_seconds_left)
        if seconds <= 0:
            raise UnavailableError("the brokers do not answer", where=f"commit to {self._name}")
        began = time.monotonic()
        try:
            # The group has moved on in the meantime: whoever has them now reads them again.
            with suppress(CommitFailedError):
                self._kafka.commit(offsets, timeout_ms=max(1, int(seconds * MILLISECONDS)))
        except (KafkaError, OSError) as error:
            if self._commit_seconds_left is not None:
                self._commit_seconds_left -= time.monotonic() - began
            raise unavailable(error, f"commit to {self._name}") from None

    def identity(self) -> str:
        """The topic's own number, without one where the broker is older than 2.8."""
        return f"kafka {self._kafka._cluster.topic_id(self._name)}"  # noqa: SLF001 - nowhere else

    def assigned(self) -> frozenset[int]:
        """The partitions that are ours."""
        return self._owned

    def position(self, partition: int) -> int:
        """The offset that is read next."""
        known = self._positions.get(partition)
        if known is not None:
            return known
        found = self._ask(
            lambda: self._kafka.position(self._partition(partition), LOOK_MILLISECONDS_MAX)
        )
        if found is None:
            raise UnavailableError("no answer in time", where=f"topic {self._name}")
        return int(found)

    def seek(self, partition: int, offset: int) -> None:
        """Read on from an offset."""
        self._settle()
        self._kafka.seek(self._partition(partition), offset)
        self._positions[partition] = offset
        self._held.pop(self._partition(partition), None)

    def seek_to_time(self, partition: int, timestamp_milliseconds: int) -> None:
        """Read on from the first message that is not older."""
        which = self._partition(partition)
        wanted = {which: timestamp_milliseconds}
        found = self._ask(lambda: self._kafka.offsets_for_times(wanted, LOOK_MILLISECONDS_MAX))
        if found[which] is None:
            end = self._ask(lambda: self._kafka.end_offsets([which], LOOK_MILLISECONDS_MAX))
            self.seek(partition, end[which])
        else:
            self.seek(partition, found[which].offset)

    def lag_messages(self) -> Mapping[int, int]:
        """What we have not read yet: as of now where the broker answers, else as last seen."""
        partitions = [self._partition(each) for each in sorted(self._owned)]
        try:
            ends = self._kafka.end_offsets(partitions, LAG_MILLISECONDS_MAX) if partitions else {}
        except (KafkaError, OSError):
            ends = {each: self._kafka.highwater(each) for each in partitions}
        lags = {}
        for each in partitions:
            with suppress(NegawattError):
                if ends[each] is not None:
                    lags[each.partition] = max(0, ends[each] - self.position(each.partition))
        return lags

    def dead_letters_total(self) -> int:
        """Count the messages that were poison."""
        return self._dead.total

    def dead_letters_lost_total(self) -> int:
        """Count the poison that could not be written to the dead letters."""
        return self._dead.lost_total()

    def close(self) -> None:
        """Give our partitions to others, without a commit; brokers that are away take seconds."""
        if self._is_closed:
            return
        self._is_closed = True
        self._commit_seconds_left = CLOSE_COMMIT_SECONDS_MAX
        self._handover.close()
        try:
            if self._owned:
                self._on_revoked(self._owned)
        finally:
            self._owned = frozenset()
            self._dead.close()
            with suppress(KafkaError, OSError):
                self._kafka.close(autocommit=False, timeout_ms=CLOSE_MILLISECONDS_MAX)

    def _polled(self, timeout_seconds: float, records_max: int) -> dict[Any, list[Any]]:
        deadline = time.monotonic() + timeout_seconds
        milliseconds = int(timeout_seconds * MILLISECONDS)
        try:
            found: dict[Any, list[Any]] | None = self._handover.poll(
                lambda: self._poll_until_settled(milliseconds, records_max), timeout_seconds + GRACE
            )
        except (KafkaError, OSError) as error:
            if not is_passing(error):
                raise unavailable(error, f"topic {self._name}") from None
            time.sleep(max(0.0, min(deadline - time.monotonic(), 1.0)))
            return {}
        return self._ours(found or {})

    def _ours(self, found: dict[Any, list[Any]]) -> dict[Any, list[Any]]:
        """Leave out what was drained of partitions that have gone since, or have yet to come.

        A partition that goes is announced while records of it are on their way to us: its state is
        kept by then. One that comes may bring records before it is announced: they are read again.
        """
        for each in found.keys() - map(self._partition, self._owned):
            if each in self._kafka.assignment():
                self._early.setdefault(each.partition, found[each][0].offset)
            del found[each]
        return found

    def _poll_until_settled(self, milliseconds: int, records_max: int) -> dict[Any, list[Any]]:
        """Poll, and go on while the group is dividing its partitions (see `handover`)."""
        deadline = time.monotonic() + milliseconds / MILLISECONDS
        while True:
            left = max(0, int((deadline - time.monotonic()) * MILLISECONDS))
            slice_milliseconds = left if self._is_settled() else SLICE_MILLISECONDS
            found: dict[Any, list[Any]] = self._kafka.poll(
                min(slice_milliseconds, SLICE_MILLISECONDS), max_records=records_max
            )
            is_over = time.monotonic() >= deadline and self._is_settled()
            if found or is_over or self._is_closed:
                return found

    def _is_settled(self) -> bool:
        return self._kafka.group_metadata().state is MemberState.STABLE

    def _settle(self) -> None:
        """Before a position is set: no poll may set another behind us."""
        while self._handover.is_polling and not self._is_answering:
            found = self._polled(1.0, RECORDS_MAX)
            for each, records in found.items():
                self._held.setdefault(each, []).extend(records)

    def _sound(self, records: Iterable[Any]) -> Iterator[Record]:
        for each in records:
            try:
                message = None if each.value is None else self._topic.decode(each.value)
            except InputError as error:
                self._dead.put(each, str(error))
                continue
            if each.value is None:
                self._dead.put(each, "the message has no value")
            elif message is not None:
                yield Record(
                    partition=each.partition,
                    offset=each.offset,
                    key=message.key,
                    message=message,
                    timestamp_milliseconds=message.timestamp_milliseconds,
                )

    def _answer(self, request: Request) -> None:
        """Deal with partitions that come or go; a callback's failure is raised by `poll`."""
        self._is_answering = True
        try:
            if request.change is Change.ASSIGNED:
                self._owned |= request.partitions
                for each in request.partitions & self._early.keys():
                    self.seek(each, self._early.pop(each))
                self._on_assigned(request.partitions)
                return
            self._lost = request.partitions if request.change is Change.LOST else frozenset()
            self._on_revoked(request.partitions)
        except Exception as error:  # noqa: BLE001 - it is the caller's, who gets it from poll
            self._failure = error
        finally:
            self._is_answering = False
            if request.change is not Change.ASSIGNED:
                self._forget(request.partitions)

    def _forget(self, partitions: frozenset[int]) -> None:
        self._owned -= partitions
        self._lost = frozenset()
        for each in partitions:
            self._positions.pop(each, None)
            self._early.pop(each, None)
            self._held.pop(self._partition(each), None)

    def _wake(self) -> None:
        with suppress(KafkaError, RuntimeError):
            self._kafka.commit({})  # commits nothing, but runs on the I/O thread

    def _ask(self, question: Any) -> Any:  # noqa: ANN401 - ships no types
        try:
            return question()
        except (KafkaError, OSError) as error:
            if isinstance(error, IllegalStateError):
                raise UnavailableError(
                    "this partition is not ours", where=f"topic {self._name}"
                ) from None
            raise unavailable(error, f"topic {self._name}") from None

    def _partition(self, number: int) -> Any:  # noqa: ANN401 - ships no types
        return TopicPartition(self._name, number)


def _member(settings: KafkaSettings, group: str) -> Any:  # noqa: ANN401 - ships no types
    session = int(settings.session_seconds * MILLISECONDS)
    return connected(
        KafkaConsumer,
        settings,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=[CooperativeStickyAssignor],
        session_timeout_ms=session,
        max_poll_interval_ms=int(settings.poll_seconds_max * MILLISECONDS),
        heartbeat_interval_ms=min(HEARTBEAT_MILLISECONDS_MAX, session // 3),
        request_timeout_ms=int(settings.request_seconds * MILLISECONDS),
        allow_auto_create_topics=False,
    )
