"""Ends of pods that the ledger was not told: nobody watched, or its queue had no room.

A pod whose end got lost would run for ever there, and what it forgoes would grow for ever.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from energy.errors import NegawattError
from ledger.writer import LedgerWriter

_log = logging.getLogger(__name__)


class MissedEnds:
    """Compares the pods that run as the ledger knows with those that are there.

    At first, and again after the ledger's queue had to drop something. Not locked: one thread uses
    it.
    """

    def __init__(
        self,
        writer: LedgerWriter,
        left_running: Callable[[], Iterable[str]],
        present: Callable[[], frozenset[str] | None],
    ) -> None:
        """Prepare; both give ids of pods: those that run as the ledger knows, those that do.

        `present` gives None where that is not known now: then nothing is ended.
        """
        self._writer, self._left_running, self._present = writer, left_running, present
        self._dropped: int | None = None
        self._mark: tuple[int, int] | None = None
        self._said = ""

    def is_due(self) -> bool:
        """Whether ends may have been missed, and the ledger has what it was told before.

        On a busy cluster something always waits: it is enough that what waited when a loss was
        first seen is written.
        """
        writer = self._writer
        if self._dropped is None:
            return True
        if self._mark is None:
            # In this order: rather too much is waited for than too little.
            dropped, pending = writer.dropped, writer.pending
            if dropped == self._dropped:
                return False
            self._mark = dropped, pending + writer.written
        return not writer.pending or writer.written >= self._mark[1]

    def note(self, wait: Callable[[], object] = lambda: None) -> None:
        """End them in the ledger now; when they ended is not known better.

        `wait` lets pods be seen that another replica saw bound first.
        """
        dropped = self._writer.dropped if self._mark is None else self._mark[0]
        try:
            known = frozenset(self._left_running())  # first: a pod may be bound this moment
        except NegawattError as error:
            if str(error) != self._said:
                self._said = str(error)
                _log.warning("pods that ended meanwhile are not known: %s", error)
            return
        self._said = ""
        wait()
        present = self._present()
        if present is None:
            return
        for uid in known - present:
            self._writer.offer_end(uid, time.time())
        self._dropped, self._mark = dropped, None
