"""How far forecasts were off: one record for a key, model, horizon and window of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from energy.errors import InputError
from ledger import checks
from ledger.checks import Check, check_fields, fields_of, made_from, or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastError:
    """The errors of the forecasts of one key that fell due within a window of Unix time.

    `forecast_key` is `namespace/kind/name`; `horizon_seconds` how far ahead they were made;
    `sample_count` how many were compared with what came. `mae_requests_per_second` is the mean
    absolute error of the median, `pinball_requests_per_second` the mean pinball loss over all
    quantiles, `wape_ratio` the sum of absolute errors through the sum of what came, the coverages
    the share of what came that lay within the central 80 and 95 % (0-1). Each is None where it does
    not exist (WAPE of a time without traffic).

    Raises `InputError` for a value that no ledger could keep, and a window that ends before it
    starts.
    """

    forecast_key: str
    model: str
    horizon_seconds: int
    window_start_seconds: float
    window_end_seconds: float
    sample_count: int
    mae_requests_per_second: float | None = None
    wape_ratio: float | None = None
    pinball_requests_per_second: float | None = None
    coverage_80_ratio: float | None = None
    coverage_95_ratio: float | None = None

    def __post_init__(self) -> None:
        check_fields(self, _ERROR_CHECKS)
        if self.window_end_seconds < self.window_start_seconds:
            raise InputError("ends before it starts", where="ForecastError.window_end_seconds")

    def document(self) -> dict[str, Any]:
        """Return plain values under the fields' names, ready for JSON."""
        return fields_of(self, _ERROR_CHECKS)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return the record that `document()` describes; names that we do not know are left."""
        try:
            return made_from(cls, _ERROR_CHECKS, document)
        except TypeError as error:
            raise InputError(f"no forecast error: {error}") from None


_ERROR_CHECKS: Final[Mapping[str, Check]] = {
    "forecast_key": checks.text(checks.KEY_LENGTH_MAX, 1),
    "model": checks.WORD,
    "horizon_seconds": checks.whole,
    "window_start_seconds": checks.moment,
    "window_end_seconds": checks.moment,
    "sample_count": checks.whole,
    "mae_requests_per_second": or_none(checks.at_least_zero),
    "wape_ratio": or_none(checks.at_least_zero),
    "pinball_requests_per_second": or_none(checks.at_least_zero),
    "coverage_80_ratio": or_none(checks.share),
    "coverage_95_ratio": or_none(checks.share),
}
