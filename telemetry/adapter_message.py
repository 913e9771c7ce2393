"""What prometheus-kafka-adapter writes, understood: one series' sample a message, all in strings.

`{"timestamp": "2024-05-01T10:00:00Z", "value": "12.5", "name": "…", "labels": {"…": "…"}}`
(Telefonica/prometheus-kafka-adapter 1.9.1, serializers.go). Its times are cut to whole seconds, its
messages have no key, and they may come twice or out of order: the samples made here are of one
field each, keep the time as it is given, and are to be merged by (key, minute) by who reads them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from energy.errors import InputError
from telemetry.messages import TrafficSample, said_of

#: What a metric may say of a workload.
FIELDS: Final = (
    "requests_per_second",
    "response_time_p95_seconds",
    "cpu_cores",
    "memory_bytes",
    "network_bytes_per_second",
    "ready_replicas",
)
#: RFC 3339; the adapter writes whole seconds in UTC, others write fractions and offsets.
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
#: strconv.FormatFloat's words for what is no number; a stale marker is "NaN", too.
_NO_NUMBER: Final = frozenset({"NaN", "+Inf", "-Inf", "Inf"})


class AdapterMessage(BaseModel):
    """One such message, taken strictly: all its values are strings."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    timestamp: str = Field(max_length=64)
    value: str = Field(max_length=64)
    name: str = Field(max_length=1024)
    labels: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a message.

        Raises:
            InputError: it is none; says what is wrong first.
        """
        try:
            return cls.model_validate_json(data, strict=True)
        except ValidationError as error:
            raise said_of(error, cls.__name__) from None

    def timestamp_milliseconds(self) -> int:
        """Give its Unix time, exactly: fractions beyond a millisecond are cut, never rounded up.

        Raises:
            InputError: it is no time of RFC 3339.
        """
        found = _TIME.fullmatch(self.timestamp)
        if found is None:
            raise InputError(
                f"timestamp: is no time of RFC 3339: {self.timestamp!r}", where="AdapterMessage"
            )
        date, fraction, zone = found.groups()
        try:
            whole = datetime.fromisoformat(f"{date}{'+00:00' if zone in 'Zz' else zone}")
        except ValueError as error:
            raise InputError(f"timestamp: {error}", where="AdapterMessage") from None
        milliseconds = int((fraction or ".0")[1:].ljust(3, "0")[:3])
        return int(whole.timestamp()) * 1000 + milliseconds

    def number(self) -> float | None:
        """Give its value; None for what Prometheus has no number for (NaN, stale, infinite).

        Raises:
            InputError: it is neither a number nor one of those words.
        """
        if self.value in _NO_NUMBER:
            return None
        number = float(self.value) if _NUMBER.fullmatch(self.value) else math.nan
        if not math.isfinite(number):
            raise InputError(f"value: is no number: {self.value!r}", where="AdapterMessage")
        return number


class AdapterMapping(BaseModel):
    """Which metrics mean which field, and which labels name the workload.

    The metrics are to be gauges, such as recording rules make: a counter is no rate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields_by_metric: Mapping[Annotated[str, Field(min_length=1)], str] = Field(min_length=1)
    """Metric name -> field of TrafficSample."""

    namespace_label: str = "namespace"
    kind_label: str = "kind"
    name_label: str = "name"
    kind_default: str = "Deployment"
    """The kind where the label for it lacks."""

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        for metric, field in self.fields_by_metric.items():
            if field not in FIELDS:
                raise ValueError(f"{metric} means no field of a sample: {field!r} is none")
        return self

    def sample_of(self, message: AdapterMessage) -> TrafficSample | None:
        """Make a sample with one field; None where the message is none of ours.

        A value that is no number is a sample whose field is None: the series was there, and said
        that it knows nothing.

        Raises:
            InputError: a time or value that cannot be, or labels that name no workload.
        """
        field = self.fields_by_metric.get(message.name)
        if field is None:
            return None
        labels = message.labels
        lacking = [each for each in (self.namespace_label, self.name_label) if not labels.get(each)]
        if lacking:
            raise InputError(
                f"labels: {message.name} has no {' and no '.join(lacking)}", where="AdapterMessage"
            )
        kind = labels.get(self.kind_label) or self.kind_default
        given: dict[str, Any] = {
            "key": f"{labels[self.namespace_label]}/{kind}/{labels[self.name_label]}",
            "timestamp_milliseconds": message.timestamp_milliseconds(),
            field: message.number(),
        }
        try:
            return TrafficSample(**given)
        except ValidationError as error:
            raise said_of(error, "AdapterMessage") from None

    def decode(self, data: bytes) -> TrafficSample | None:
        """Read bytes of such a topic; what a stream's `Topic` takes.

        Raises:
            InputError: poison.
        """
        return self.sample_of(AdapterMessage.from_bytes(data))
