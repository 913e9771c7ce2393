"""Answers requests beside an event loop: models and ledger on threads, records offered, no wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from energy.errors import UnavailableError
from extender.prediction.answer import Answer, sentence, server_answers
from extender.prediction.cluster import ClusterServers, ClusterSource, no_cluster
from extender.prediction.predictor import Predicted, predict
from extender.prediction.registry import SHIPPED, Models
from extender.prediction.request import Asked
from ledger.checks import REASON_LENGTH_MAX
from ledger.prediction import Prediction, PredictionSource, ServerPrediction
from ledger.store import Ledger

T = TypeVar("T")

#: Requests that may wait for the model's thread; each may hold some megabytes.
WAITING_MAX = 64
LEDGER_THREADS = 2
MICROSECONDS = 1_000_000


@dataclass
class PredictionService:
    """The paper's service without its HTTP shell.

    Attributes:
        offer: takes a record for the ledger, and says whether there was room; never waits.
        missed: told of each prediction that the ledger did not take, where one is kept.
        ledger: what is asked for old predictions; None where none is kept.
        cluster: the cluster's nodes; asked on the event loop's thread.
        now: Unix seconds.
    """

    offer: Callable[[Prediction], bool] = lambda _: False
    missed: Callable[[], None] = lambda: None
    ledger: Ledger | None = None
    cluster: ClusterSource = no_cluster
    now: Callable[[], float] = time.time
    models: Models = field(default_factory=lambda: SHIPPED)

    def __post_init__(self) -> None:
        """Start no thread yet: executors do when they are first given work."""
        self._model_thread = ThreadPoolExecutor(1, "predictor")
        self._page_thread = ThreadPoolExecutor(1, "pages")
        self._ledger_threads = ThreadPoolExecutor(LEDGER_THREADS, "predictions")
        self._clock = threading.Lock()
        self._last_microseconds = 0
        self._waiting = 0

    def close(self) -> None:
        """End the threads; what waits is not answered."""
        self._model_thread.shutdown(wait=False, cancel_futures=True)
        self._page_thread.shutdown(wait=False, cancel_futures=True)
        self._ledger_threads.shutdown(wait=False, cancel_futures=True)

    async def on_model_thread(self, work: Callable[[], T]) -> T:
        """Run something that takes long, one at a time.

        Raises:
            UnavailableError: too many wait already.
        """
        if self._waiting >= WAITING_MAX:
            raise UnavailableError(
                f"{self._waiting} predictions wait already", mend="ask again in a second"
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._model_thread, work)
        finally:
            self._waiting -= 1

    async def on_page_thread(self, work: Callable[[], T]) -> T:
        """Read a form or render a page, which waits for no model."""
        return await asyncio.get_running_loop().run_in_executor(self._page_thread, work)

    async def on_ledger_thread(self, work: Callable[[Ledger], T]) -> T:
        """Ask the ledger.

        Raises:
            UnavailableError: none is kept, or it does not serve now.
        """
        ledger = self.ledger
        if ledger is None:
            raise UnavailableError("no ledger is kept", mend="start with --ledger-url")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._ledger_threads, lambda: work(ledger))

    def of_cluster(self, asked: Asked) -> ClusterServers | None:
        """The cluster's nodes where the request means them; on the event loop's thread.

        Raises:
            UnavailableError: no cluster is known.
        """
        if asked.servers is not None:
            return None
        found = self.cluster(asked.task_cores)
        if isinstance(found, str):
            raise UnavailableError(found)
        return found

    def answer(self, asked: Asked, cluster: ClusterServers | None) -> Answer:
        """Price, rank, offer to the ledger; on the model's thread.

        Raises:
            UnavailableError: the model cannot be loaded.
        """
        predicted = predict(asked, cluster, self.models)
        at_seconds = self._moment()
        found, priced = predicted.ranked, predicted.ranked.priced
        best = found.best
        why = sentence(found)
        # Made by us: to check ten thousand servers again would halt other threads.
        answered = Answer.model_construct(
            prediction_id=prediction_id(at_seconds),
            predicted_at_seconds=at_seconds,
            model=predicted.model,
            source="given" if cluster is None else "cluster",
            task_load_percent=asked.task_load_percent,
            best_server=None if best is None else priced.names[best],
            best_cost_watts=None if best is None else float(priced.watts[best]),
            reason=why[:REASON_LENGTH_MAX],
            recorded=False,
            servers=server_answers(found),
        )
        recorded = bool(self.offer(record_of(answered, predicted)))
        if not recorded and self.ledger is not None:
            self.missed()
        return answered.model_copy(update={"recorded": recorded})

    def _moment(self) -> float:
        """The time, and never the same twice: it names the prediction."""
        with self._clock:
            microseconds = max(round(self.now() * MICROSECONDS), self._last_microseconds + 1)
            self._last_microseconds = microseconds
        return microseconds / MICROSECONDS


def prediction_id(predicted_at_seconds: float) -> str:
    """The name of a prediction, from its time in microseconds."""
    return f"p{round(predicted_at_seconds * MICROSECONDS):x}"


def record_of(answered: Answer, predicted: Predicted) -> Prediction:
    """What the ledger keeps of an answer."""
    source: PredictionSource = answered.source
    return Prediction(
        predicted_at_seconds=answered.predicted_at_seconds,
        model=answered.model,
        source=source,
        task_load_percent=answered.task_load_percent,
        best_server=answered.best_server,
        best_cost_watts=answered.best_cost_watts,
        reason=answered.reason,
        servers=tuple(_server_records(answered, predicted)),
    )


def _server_records(answered: Answer, predicted: Predicted) -> Sequence[ServerPrediction]:
    servers = predicted.servers
    columns = zip(
        answered.servers,
        servers.cpu_cores.tolist(),
        servers.memory_gigabytes.tolist(),
        servers.energy_rate_watts_per_core.tolist(),
        servers.used_ratio.tolist(),
        strict=True,
    )
    return [
        ServerPrediction(
            server=each["id"],
            cpu_cores=cpu_cores,
            memory_gigabytes=memory_gigabytes,
            energy_rate_watts_per_core=energy_rate,
            used_ratio=used_ratio,
            cost_watts=each["cost_watts"],
            reason=each["reason"],
        )
        for each, cpu_cores, memory_gigabytes, energy_rate, used_ratio in columns
    ]
