"""Queries that somebody wrote: a file in YAML with PromQL, and whose Services are whose.

```yaml
queries:
  - signal: requests_per_second
    promql: sum by (namespace, app) (rate(http_requests_total{job="shop"$match}[$window]))
    namespace_label: namespace
    name_label: app
    kind: Deployment
  - signal: response_time_p95_seconds
    promql: histogram_quantile(0.95, sum by (le) (rate(web_seconds_bucket{job="web"}[$window])))
    workload: shop/Deployment/web
services:
  shop/web-svc: shop/Deployment/web
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from energy.errors import InputError
from telemetry.traffic.names import known_key, require_key
from telemetry.traffic.query import (
    PLACEHOLDERS,
    Naming,
    Signal,
    TrafficQuery,
    unknown_placeholders,
)

_LABEL: Final = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
#: A file of queries is written by hand.
FILE_BYTES_MAX: Final = 1024 * 1024

_EXAMPLE: Final = "see docs/how-to/stream-traffic.md for an example"
#: pydantic's kind of error -> in words of YAML.
_WORDS: Final = {
    "model_type": "give names and values",
    "dict_type": "give names and values",
    "mapping_type": "give names and values",
    "tuple_type": "give a list",
    "missing": "is missing",
    "extra_forbidden": "there is no such name",
    "string_type": "give text",
    "string_pattern_mismatch": "is no label",
}

Label = Annotated[str, Field(pattern=_LABEL)]


class _Query(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    signal: Signal
    promql: Annotated[str, Field(min_length=1, max_length=10_000)]
    workload: str | None = None
    namespace_label: Label = "namespace"
    kind_label: Label | None = None
    name_label: Label | None = None
    kind: str | None = None

    @field_validator("promql")
    @classmethod
    def _is_whole(cls, promql: str) -> str:
        if unknown := unknown_placeholders(promql):
            known = ", ".join(f"${name}" for name in PLACEHOLDERS)
            raise ValueError(f"{unknown[0]} stands for nothing; write one of {known}")
        return promql

    @model_validator(mode="after")
    def _names_a_workload(self) -> Self:
        if self.workload is not None:
            if self.name_label or self.kind_label or self.kind:
                raise ValueError("give workload, or labels that name it, not both")
            if known_key(self.workload) is None:
                raise ValueError(f"{self.workload!r} is no workload; write shop/Deployment/web")
        elif not self.name_label:
            raise ValueError("give workload (shop/Deployment/web), or name_label")
        elif self.kind is not None and (self.kind_label or not known_key(f"a/{self.kind}/a")):
            raise ValueError("give kind (such as Deployment), or kind_label, not both")
        return self


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: tuple[_Query, ...] = ()
    services: Mapping[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomQueries:
    """What a file says.

    Attributes:
        queries: in its order.
        services: `namespace/name` of a Service or route -> its workload's key.
    """

    queries: tuple[TrafficQuery, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict)


def read_custom_queries(path: Path) -> CustomQueries:
    """Read a file of queries.

    Raises:
        InputError: it cannot be read, or is not such a file; says where and what first.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(FILE_BYTES_MAX + 1)
        if len(text) > FILE_BYTES_MAX:
            raise InputError("is larger than 1 MiB", where=str(path))
        found = _File.model_validate(yaml.safe_load(text) or {})
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise InputError(why, where=str(path), mend="check the path") from None
    except RecursionError:
        raise InputError("is nested too deeply", where=str(path)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"is no YAML ({said})", where=str(path)) from None
    except ValidationError as error:
        raise _one_line(error, path) from None
    if not found.queries and not found.services:
        raise InputError(
            "holds neither queries nor services", where=str(path), mend=f"{_EXAMPLE}, or name none"
        )
    return CustomQueries(
        queries=tuple(_query(each, number) for number, each in enumerate(found.queries, 1)),
        services={
            _service(name, path): require_key(key, where=f"{path}: services: {name}")
            for name, key in found.services.items()
        },
    )


def _query(given: _Query, number: int) -> TrafficQuery:
    promql = given.promql.strip()
    if given.kind is not None:
        # The kind is one more label of the answer, as if the exporter had said it.
        promql = f'label_replace({promql}\n, "negawatt_kind", "{given.kind}", "", "")'
    kind_label = given.kind_label or ("negawatt_kind" if given.kind else "")
    return TrafficQuery(
        source=f"custom query {number}",
        signal=given.signal,
        promql=promql,
        naming=Naming.WORKLOAD if kind_label else Naming.PLAIN,
        # Nobody says that the series of one workload are parts of it and not the same twice.
        combine="max",
        labels=(given.namespace_label, kind_label, given.name_label or ""),
        workload=given.workload or "",
    )


def _service(name: str, path: Path) -> str:
    namespace, _, service = name.partition("/")
    if not namespace or not service or "/" in service:
        raise InputError(
            f"services: {name!r} is no Service", where=str(path), mend="write it as shop/web-svc"
        )
    return name


def _one_line(error: ValidationError, path: Path) -> InputError:
    first = error.errors(include_url=False, include_context=False)[0]
    what, _, mend = first["msg"].removeprefix("Value error, ").partition("; ")
    what = _WORDS.get(first["type"], f"{what[:1].lower()}{what[1:]}")
    where = ".".join(str(part) for part in first["loc"])
    return InputError(f"{where}: {what}" if where else what, where=str(path), mend=mend or _EXAMPLE)
