"""Which topic a forecaster reads samples from: the bridge's, or one of prometheus-kafka-adapter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError

from energy.errors import InputError
from telemetry.adapter_message import AdapterMapping
from telemetry.messages import said_of
from telemetry.stream.interface import SAMPLES_TOPIC, Topic

ADAPTER: Final = "adapter"
FILE_BYTES_MAX: Final = 1024 * 1024
_RATE: Final = "requests_per_second"


class SamplesFields(BaseModel):
    """Fields for the settings of a service that reads samples."""

    samples_format: Literal["negawatt", "adapter"] = Field(
        "negawatt",
        description="What writes the samples: `negawatt`, the bridge; `adapter`,"
        " prometheus-kafka-adapter.",
    )
    samples_topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")] = Field(
        SAMPLES_TOPIC.name, description="Topic to read samples from, on Kafka."
    )
    adapter_mapping: Path | None = Field(
        None,
        description="YAML file that says which of the adapter's metrics are rates of requests, and"
        " which labels name the workload.",
    )

    def fault_of_samples(self, stream: str) -> str:
        """What does not go together, in one line; "" where all does."""
        is_adapters = self.samples_format == ADAPTER
        if stream != "kafka" and (is_adapters or self.samples_topic != SAMPLES_TOPIC.name):
            return "--samples-format and --samples-topic are for --stream kafka"
        if is_adapters != (self.adapter_mapping is not None):
            return "--samples-format adapter and --adapter-mapping go together: give both"
        if is_adapters and self.samples_topic == SAMPLES_TOPIC.name:
            return "--samples-format adapter reads no topic of the bridge: give --samples-topic"
        return ""


def samples_topic(settings: SamplesFields) -> Topic:
    """Make the topic that the settings mean; reads the mapping's file.

    Raises:
        InputError: that cannot be read, or maps nothing to requests/s.
    """
    topic = replace(SAMPLES_TOPIC, name=settings.samples_topic)
    if settings.adapter_mapping is None:
        return topic
    mapping = read_mapping(settings.adapter_mapping)
    rates = {name: field for name, field in mapping.fields_by_metric.items() if field == _RATE}
    if not rates:
        raise InputError(f"no metric means {_RATE}", where=str(settings.adapter_mapping))
    # A message of another measure would look like a minute in which no rate was measured.
    of_rates = mapping.model_copy(update={"fields_by_metric": rates})
    return replace(topic, decode=of_rates.decode, is_keyed=False)


def read_mapping(path: Path) -> AdapterMapping:
    """Read the fields of an `AdapterMapping` from YAML.

    Raises:
        InputError: it cannot be read, or says something else.
    """
    where = str(path)
    try:
        with path.open("rb") as stream:
            text = stream.read(FILE_BYTES_MAX + 1)
        if len(text) > FILE_BYTES_MAX:
            raise InputError("is larger than 1 MiB", where=where)
        given: Any = yaml.safe_load(text)
        if not isinstance(given, dict):
            raise InputError("says no `fields_by_metric:`", where=where)
        return AdapterMapping.model_validate(given)
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise InputError(why, where=where, mend="check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"is no YAML ({' '.join(str(error).split())})", where=where) from None
    except ValidationError as error:
        raise said_of(error, where) from None
