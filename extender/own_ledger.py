"""The cluster's own ledger: nothing is written to it before it is known to be no other's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from energy.errors import InputError, UnavailableError
from ledger.record import Record
from ledger.retention import Retention, Tidied
from ledger.store import Ledger

_log = logging.getLogger(__name__)


class OwnLedger:
    """What a `LedgerWriter` and whoever ends pods ask of a ledger, of this cluster alone.

    Methods may be called from any thread.
    """

    def __init__(self, ledger: Ledger, cluster_uid: Callable[[], str]) -> None:
        """Ask nobody yet; `cluster_uid` asks the API server."""
        self._ledger, self._cluster_uid = ledger, cluster_uid
        self._is_ours = False
        self._refusal: InputError | None = None

    def claim(self) -> None:
        """Take the ledger for this cluster; where API server or database are away, do it later.

        Raises:
            InputError: it is another cluster's, whose pods would be ended.
        """
        try:
            self._require_ours()
        except UnavailableError as error:
            _log.warning("whether the ledger is this cluster's is asked again later: %s", error)

    def record(self, records: Sequence[Record]) -> None:
        """Write all or nothing."""
        self._require_ours()
        self._ledger.record(records)

    def serves(self) -> bool:
        """Whether the database answers."""
        return self._ledger.serves()

    def tidy(self, retention: Retention, *, now_seconds: float, batch: int) -> Tidied:
        """Sum and delete up to `batch` rows of each kind."""
        self._require_ours()
        return self._ledger.tidy(retention, now_seconds=now_seconds, batch=batch)

    def running_uids(self) -> frozenset[str]:
        """Give the pods that run as the ledger knows."""
        self._require_ours()
        return self._ledger.running_uids()

    def _require_ours(self) -> None:
        if self._is_ours:
            return
        if self._refusal is not None:
            # Raised for every record from now on: its traceback would grow with each.
            raise self._refusal.with_traceback(None)
        try:
            self._ledger.claim(self._cluster_uid())
        except InputError as error:
            self._refusal = error
            raise
        self._is_ours = True
