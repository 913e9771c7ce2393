"""A forecaster with a clock of its own and a stream in memory, or any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plain_engine import PlainEngine

from forecaster.contract import ForecastEngine
from forecaster.core import Core, CoreOptions
from forecaster.model_changes import ModelChanges, ModelOptions
from forecaster.registry import Registry
from forecaster.selection import Selection, Wish
from forecaster.service import Service, ServiceOptions
from forecaster.state_files import StateFiles
from ledger.record import Record
from telemetry.messages import TrafficForecast, TrafficSample
from telemetry.stream.interface import FORECASTS_TOPIC, SAMPLES_TOPIC, Stream
from telemetry.stream.memory import MemoryStream

#: A Monday, at noon.
START_MINUTE = 28_000_080
WEB = "shop/Deployment/web"
ALL = Selection(wishes=(Wish("*"),))


TURNS_MAX = 500
FLUSH_SECONDS_MAX = 30.0


def _group(stream: MemoryStream) -> Any:
    return stream._log(SAMPLES_TOPIC).groups[ServiceOptions().group]  # noqa: SLF001


def version(registry: Registry, name: str, **description: object) -> str:
    """Make a version's folder."""
    folder = registry.folder / name
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps({"id": name, **description}))
    return name


class Clock:
    """Unix time that stands until it is moved."""

    def __init__(self, minute: int = START_MINUTE) -> None:
        self.seconds = minute * 60.0

    def __call__(self) -> float:
        """Give the time, Unix seconds."""
        return self.seconds

    def at_minute(self, minute: int, second: float = 1.0) -> None:
        """Move to so many seconds after a minute's end."""
        self.seconds = minute * 60.0 + second

    @property
    def minute(self) -> int:
        """The minute that ended last."""
        return int(self.seconds // 60)


class Stage:
    """A forecaster over a stream, turned by hand."""

    def __init__(  # noqa: PLR0913 - all but the folder have defaults
        self,
        folder: Path,
        *,
        stream: Stream | None = None,
        clock: Clock | None = None,
        engine: ForecastEngine | None = None,
        engine_of: Callable[[str], ForecastEngine] | None = None,
        options: ServiceOptions | None = None,
        core_options: CoreOptions | None = None,
        model_options: ModelOptions | None = None,
        selection: Selection = ALL,
        **changes: object,
    ) -> None:
        self.stream = stream or MemoryStream()
        self.clock = clock or Clock()
        self.folder = folder
        self.records: list[Record] = []
        engine = engine or PlainEngine()
        self.core = Core(engine, core_options or CoreOptions(), lambda: selection)
        self.registry = Registry(folder / "models")
        self.models = ModelChanges(
            self.registry,
            self.core,
            engine_of or (lambda _version: engine),
            model_options or ModelOptions(retraining=None),
            **changes,
        )
        self.models.start()
        self.files = StateFiles(folder / "state", SAMPLES_TOPIC.name)
        self.service = Service(
            self.core,
            self.models,
            self.stream,
            self.files,
            options or ServiceOptions(state_seconds=60.0),
            offer=self.records.append,
            now=self.clock,
        )
        self._samples = self.stream.producer(SAMPLES_TOPIC)
        self._forecasts = self.stream.consumer(FORECASTS_TOPIC, f"reader-{id(self)}")
        while self._forecasts.poll(0.0).records:
            pass  # of whoever was here before

    def send(
        self,
        value: float | None,
        minute: int | None = None,
        *,
        key: str = WEB,
        milliseconds: int | None = None,
    ) -> None:
        """Put a sample on the stream, of the present minute's end unless it is said."""
        minute = self.clock.minute if minute is None else minute
        at = minute * 60_000 if milliseconds is None else milliseconds
        self._samples.send(
            TrafficSample(key=key, timestamp_milliseconds=at, requests_per_second=value)
        )

    def flush(self) -> None:
        """Wait until what was sent is there."""
        self._samples.flush(FLUSH_SECONDS_MAX)

    def turn(self, times: int = 1) -> list[TrafficForecast]:
        """Turn the service, and give back what it published."""
        found = []
        for _ in range(times):
            self.service.turn(0.0)
            found += [record.message for record in self._forecasts.poll(0.0).records]
        return found

    def turn_until(self, condition: Callable[[], bool]) -> None:
        """Turn until the thread that writes states has come so far."""
        for _ in range(TURNS_MAX):
            if condition():
                return
            self.service.turn(0.01)
        raise AssertionError("it never came to that")

    def committed(self) -> dict[int, int]:
        """Give what the forecasters' group has committed."""
        return _group(self.stream).committed

    def close_clients(self) -> None:
        """Let go what the test itself reads and writes with."""
        self._samples.close()
        self._forecasts.close()

    def crash(self) -> None:
        """Be gone without a word, as a process that is killed; a broker notices after a while."""
        group = _group(self.stream)
        group.members.clear()
        group.owners.clear()

    def minutes(self, values: list[float | None], *, key: str = WEB) -> list[TrafficForecast]:
        """Let minutes pass with a sample each (None: none comes at all)."""
        found = []
        for value in values:
            self.clock.at_minute(self.clock.minute + 1)
            if value is not None:
                self.send(value, key=key)
            found += self.turn(2)
        return found
