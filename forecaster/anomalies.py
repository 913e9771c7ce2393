"""Anomalies from their start to their end, as the ledger keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from forecaster.contract import Arrays, ForecastSet
from forecaster.horizons import HORIZONS_SECONDS, MEDIAN_INDEX, MINUTE_SECONDS
from ledger.action import ActionDecision

START: Final = "anomaly-start"
END: Final = "anomaly-end"
HOUR_MINUTES: Final = 60


class Anomalies:
    """Which workloads are out of the ordinary, and since when. For one thread.

    `starts_max` bounds how many anomalies of an hour the ledger is told of: two records each, one
    of its end. Whom it leaves out is counted.
    """

    def __init__(self, starts_max: int = 500) -> None:
        self._starts_max = starts_max
        self._since: dict[str, int] = {}
        #: Of which the ledger knows nothing.
        self._untold: set[str] = set()
        self._hour, self._told = -1, 0
        self.started_total = self.left_out_total = 0

    def __len__(self) -> int:
        return len(self._since)

    def since_minute(self, key: str) -> int | None:
        """The minute in which a workload's anomaly began; None where it has none."""
        return self._since.get(key)

    def turned(self, forecasts: ForecastSet) -> tuple[ActionDecision, ...]:
        """The anomalies that began or ended with these forecasts."""
        records = []
        for row in np.flatnonzero(forecasts.anomalous).tolist():
            if (key := forecasts.keys[row]) not in self._since:
                self._since[key] = forecasts.minute
                self.started_total += 1
                if self._has_room(key, forecasts.minute):
                    reason, detail = _said(forecasts, row)
                    records.append(_record(key, forecasts.minute, START, reason, detail))
        if self._since:
            rows = {key: row for row, key in enumerate(forecasts.keys) if key in self._since}
            for key, row in rows.items():
                if not forecasts.anomalous[row]:
                    reason, detail = _said(forecasts, row)
                    records.extend(self._end(key, forecasts.minute, reason, detail))
        return tuple(records)

    def stale(self, keys: Iterable[str], minute: int) -> tuple[ActionDecision, ...]:
        """The anomalies that end since nobody forecasts workloads whose samples are too old."""
        if not self._since:
            return ()
        ended = [key for key in keys if key in self._since]
        return tuple(
            record
            for key in ended
            for record in self._end(key, minute, "its newest sample is too old", {})
        )

    def drop(self, keys: Iterable[str]) -> None:
        """Forget workloads that somebody else forecasts now; that is no end of their anomaly."""
        for key in keys:
            self._since.pop(key, None)
            self._untold.discard(key)

    def export(self, keys: Iterable[str]) -> Arrays:
        """What a restart needs."""
        known = [key for key in keys if key in self._since]
        return {
            "keys": np.array(known, np.str_),
            "minutes": np.array([self._since[key] for key in known], np.int64),
            "untold": np.array([key in self._untold for key in known], np.bool_),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `export` gave, or a version of it that told the ledger of all."""
        keys = [str(key) for key in state["keys"]]
        self._since.update(zip(keys, state["minutes"].tolist(), strict=True))
        untold = state["untold"].tolist() if "untold" in state else [False] * len(keys)
        self._untold.update(key for key, is_so in zip(keys, untold, strict=True) if is_so)

    def _has_room(self, key: str, minute: int) -> bool:
        if (hour := minute // HOUR_MINUTES) != self._hour:
            self._hour, self._told = hour, 0
        if self._told < self._starts_max:
            self._told += 1
            return True
        self._untold.add(key)
        self.left_out_total += 1
        return False

    def _end(
        self, key: str, minute: int, reason: str, detail: Mapping[str, float]
    ) -> tuple[ActionDecision, ...]:
        """Forget an anomaly; its record, where the ledger knows of its start."""
        seconds = (minute - self._since.pop(key)) * MINUTE_SECONDS
        if key in self._untold:
            self._untold.remove(key)
            return ()
        return (_record(key, minute, END, reason, {"duration_seconds": seconds, **detail}),)


def _said(forecasts: ForecastSet, row: int) -> tuple[str, dict[str, float]]:
    """The reason, and what is foreseen where anything is."""
    median = float(forecasts.requests_per_second[row, 0, MEDIAN_INDEX])
    name = f"requests_per_second_in_{HORIZONS_SECONDS[0]}_seconds"
    return forecasts.reasons[row], {name: median} if np.isfinite(median) else {}


def _record(
    key: str, minute: int, action: str, reason: str, detail: Mapping[str, float]
) -> ActionDecision:
    namespace, kind, name = key.split("/", 2)
    return ActionDecision(
        decided_at_seconds=float(minute * MINUTE_SECONDS),
        mode="observe",  # it changes nothing outside the forecaster
        kind="forecast",
        namespace=namespace,
        subject_kind=kind,
        subject_name=name,
        action=action,
        rule="anomaly",
        reason=reason or action,
        forecast_key=key,
        detail=dict(detail),
    )
