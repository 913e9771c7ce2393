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


class Anomalies:
    """Which workloads are out of the ordinary, and since when. For one thread."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}
        self.started_total = 0

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
                records.append(_record(forecasts, row, START, {}))
        if self._since:
            rows = {key: row for row, key in enumerate(forecasts.keys) if key in self._since}
            for key, row in rows.items():
                if not forecasts.anomalous[row]:
                    seconds = (forecasts.minute - self._since.pop(key)) * MINUTE_SECONDS
                    records.append(_record(forecasts, row, END, {"duration_seconds": seconds}))
        return tuple(records)

    def drop(self, keys: Iterable[str]) -> None:
        """Forget workloads that somebody else forecasts now; that is no end of their anomaly."""
        for key in keys:
            self._since.pop(key, None)

    def export(self, keys: Iterable[str]) -> Arrays:
        """What a restart needs."""
        known = [key for key in keys if key in self._since]
        return {
            "keys": np.array(known, np.str_),
            "minutes": np.array([self._since[key] for key in known], np.int64),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `export` gave."""
        keys = (str(key) for key in state["keys"])
        self._since.update(zip(keys, state["minutes"].tolist(), strict=True))


def _record(
    forecasts: ForecastSet, row: int, action: str, detail: Mapping[str, float]
) -> ActionDecision:
    key = forecasts.keys[row]
    namespace, kind, name = key.split("/", 2)
    median = float(forecasts.requests_per_second[row, 0, MEDIAN_INDEX])
    foreseen = {f"requests_per_second_in_{HORIZONS_SECONDS[0]}_seconds": median}
    return ActionDecision(
        decided_at_seconds=float(forecasts.minute * MINUTE_SECONDS),
        mode="observe",  # it changes nothing outside the forecaster
        kind="forecast",
        namespace=namespace,
        subject_kind=kind,
        subject_name=name,
        action=action,
        rule="anomaly",
        reason=forecasts.reasons[row] or action,
        forecast_key=key,
        detail={**detail, **(foreseen if np.isfinite(median) else {})},
    )
