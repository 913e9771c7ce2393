"""What travels on the stream, as JSON: samples to the forecaster, forecasts to the autoscaler.

A field that a reader does not know is ignored, so fields may be added; whatever else changes is a
new `schema_version`, which readers of this one refuse. What is written is checked as strictly as
what is read: rates and bytes are finite and never negative, and absurd ones are refused.
"""

from __future__ import annotations

from itertools import pairwise
from reprlib import Repr
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from energy.errors import InputError

SCHEMA_VERSION: Final = 1
#: Ten thousand times what the largest services answer, and far from where float32 loses its way.
RATE_MAX: Final = 1e12
#: An exabyte: more than a workload has memory, or sends in a second.
BYTES_MAX: Final = 1e18
#: The year 2286: what is later was not given in milliseconds.
TIMESTAMP_MILLISECONDS_MAX: Final = 10**13
#: Two names of at most 253 characters, a kind of at most 63, two slashes.
KEY_LENGTH_MAX: Final = 571
_NAME: Final = r"[A-Za-z0-9][-A-Za-z0-9._:]*"

Key = Annotated[
    str, Field(pattern=rf"^{_NAME}/{_NAME}/{_NAME}$", max_length=KEY_LENGTH_MAX, min_length=5)
]
Milliseconds = Annotated[int, Field(ge=0, le=TIMESTAMP_MILLISECONDS_MAX)]
Rate = Annotated[float, Field(ge=0, le=RATE_MAX, allow_inf_nan=False)]
Bytes = Annotated[float, Field(ge=0, le=BYTES_MAX, allow_inf_nan=False)]
#: Forecasts of a rate near its limit may lie above it.
ForecastRate = Annotated[float, Field(ge=0, le=1000 * RATE_MAX, allow_inf_nan=False)]
Level = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Seconds = Annotated[int, Field(ge=1, le=86_400)]

_SHORT: Final = Repr()
_SHORT.maxstring = _SHORT.maxother = 60


class _Message(BaseModel):
    """A frozen value that is one JSON object on the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_bytes(self) -> bytes:
        """Write it as JSON (UTF-8, one line)."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read it; types are taken strictly: a number in quotes is none.

        Raises:
            InputError: it is no JSON, or not such a message; says what is wrong first.
        """
        try:
            return cls.model_validate_json(data, strict=True)
        except ValidationError as error:
            raise said_of(error, cls.__name__) from None


class TrafficSample(_Message):
    """What was measured of one workload in one minute; null is not measured, never 0."""

    schema_version: Literal[1] = Field(1, description="Of this schema.")
    key: Key = Field(description="The workload: `namespace/Kind/name`.")
    timestamp_milliseconds: Milliseconds = Field(
        description="Unix time at which the minute ends that was measured."
    )
    requests_per_second: Rate | None = Field(
        None,
        description="Mean rate of the time before its end that the source looks back: 120 s from"
        " the bridge, unless --rate-window-seconds says.",
    )
    response_time_p95_seconds: Rate | None = Field(
        None, description="95th percentile of the response time."
    )
    cpu_cores: Rate | None = Field(None, description="CPU used by all its pods.")
    memory_bytes: Bytes | None = Field(None, description="Working set of all its pods.")
    network_bytes_per_second: Bytes | None = Field(
        None, description="Received and sent by all its pods."
    )
    ready_replicas: Rate | None = Field(None, description="Pods that were ready.")


class HorizonForecast(BaseModel):
    """What is expected one horizon after a forecast was issued."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    horizon_seconds: Seconds = Field(description="From the time of issue to the time foreseen.")
    requests_per_second: tuple[ForecastRate, ...] = Field(
        min_length=1, description="One per quantile, never falling."
    )


class TrafficForecast(_Message):
    """What is expected of one workload: quantiles of its requests/s at several horizons."""

    schema_version: Literal[1] = Field(1, description="Of this schema.")
    key: Key = Field(description="The workload: `namespace/Kind/name`.")
    issued_at_milliseconds: Milliseconds = Field(
        description="Unix time as of which it was made; horizons count from here."
    )
    model: str = Field(min_length=1, max_length=200, description="What made it.")
    quantiles: tuple[Level, ...] = Field(min_length=1, description="Levels, rising, 0-1.")
    horizons: tuple[HorizonForecast, ...] = Field(min_length=1, description="Rising horizons.")
    anomaly: bool = Field(
        description="Whether the newest samples are out of the ordinary: intervals are then wide,"
        " and nothing may be scaled down for it."
    )
    valid_until_milliseconds: Milliseconds = Field(
        description="Unix time after which it is not to be used."
    )

    @property
    def timestamp_milliseconds(self) -> int:
        """When it was issued: what a stream seeks by, as a sample's own time."""
        return self.issued_at_milliseconds

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if not _rises(self.quantiles):
            raise ValueError("quantiles must rise")
        if not _rises([each.horizon_seconds for each in self.horizons]):
            raise ValueError("horizons must rise")
        for each in self.horizons:
            rates = each.requests_per_second
            if len(rates) != len(self.quantiles):
                raise ValueError(f"{len(rates)} rates for {len(self.quantiles)} quantiles")
            if any(later < earlier for earlier, later in pairwise(rates)):
                raise ValueError(f"the rates {each.horizon_seconds} s ahead fall")
        if self.valid_until_milliseconds < self.issued_at_milliseconds:
            raise ValueError("it is not valid until it was issued")
        return self


Message: TypeAlias = TrafficSample | TrafficForecast


def _rises(values: tuple[float, ...] | list[int]) -> bool:
    return all(earlier < later for earlier, later in pairwise(values))


def said_of(error: ValidationError, where: str) -> InputError:
    """What is wrong first, with the field's name and a short view of what stood there."""
    first: Any = error.errors(include_url=False, include_context=False)[0]
    what = first["msg"].removeprefix("Value error, ")
    field = ".".join(map(str, first["loc"]))
    if not field:
        return InputError(f"{what[:1].lower()}{what[1:]}", where=where)
    shown = "" if first["type"] == "missing" else f", not {_SHORT.repr(first['input'])}"
    return InputError(f"{field}: {what[:1].lower()}{what[1:]}{shown}", where=where)
