"""What the service asks of an engine of forecasts, so that tests can serve one without networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from forecaster.history import PutReport

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]
#: What an engine keeps of series, by name; the first axis of each array is that of the keys.
Arrays = dict[str, npt.NDArray[Any]]
#: Under which an engine's exported state names its series, an array of str.
KEYS = "keys"


class ScoredForecasts(Protocol):
    """Earlier forecasts whose targets have come: arrays of equal length k.

    `key_indices` and `horizon_indices` say which; `actual` is what came (requests/s), `quantiles`
    [k, 5] what had been served, `medians` [k, M] what each model had said, `origin_minutes` when.
    """

    @property
    def key_indices(self) -> Integers: ...  # noqa: D102 - see the class
    @property
    def horizon_indices(self) -> Integers: ...  # noqa: D102
    @property
    def actual(self) -> Floats: ...  # noqa: D102
    @property
    def quantiles(self) -> Floats: ...  # noqa: D102
    @property
    def medians(self) -> Floats: ...  # noqa: D102
    @property
    def origin_minutes(self) -> Integers: ...  # noqa: D102


class ForecastSet(Protocol):
    """Forecasts of n series as of one minute.

    `requests_per_second` [n, 6, 5] has NaN where there is none; `medians` and `weights` [n, M, 6]
    are those of `models`; `reasons` says in a line for each key why this, or why none.
    """

    @property
    def minute(self) -> int: ...  # noqa: D102 - see the class
    @property
    def keys(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def requests_per_second(self) -> Floats: ...  # noqa: D102
    @property
    def models(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def medians(self) -> Floats: ...  # noqa: D102
    @property
    def weights(self) -> Floats: ...  # noqa: D102
    @property
    def anomalous(self) -> npt.NDArray[np.bool_]: ...  # noqa: D102
    @property
    def reasons(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def scored(self) -> ScoredForecasts: ...  # noqa: D102


class ForecastEngine(Protocol):
    """Histories of many series, and forecasts of all of them at once. For one thread."""

    @property
    def models(self) -> Any:  # noqa: ANN401 - each kind of engine has its own
        """What it forecasts with; for `adopt` alone."""

    def adopt(self, models: Any) -> bool:  # noqa: ANN401 - see `models`
        """Forecast with another's models from now on; False, and nothing changes, if it cannot."""

    def put(self, key: str, minutes: Integers, requests_per_second: Floats) -> PutReport:
        """Upsert minutes of a series, in any order; NaN is an outage."""

    def put_all(self, values: Mapping[str, tuple[Integers, Floats]]) -> PutReport:
        """Upsert minutes of many series, and learn from a long past as if it passed."""

    def forecast(self, minute: int, keys: Sequence[str] | None = None) -> ForecastSet:
        """Score what fell due, then forecast as of the end of a minute."""

    def keys(self) -> tuple[str, ...]:
        """The series that it knows."""

    def drop(self, keys: Sequence[str]) -> None:
        """Forget series."""

    def export(self, keys: Sequence[str]) -> Arrays:
        """All that is known of series."""

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `export` gave."""
