"""Large predictions do not fill the memory while the database is away."""

from __future__ import annotations

from dataclasses import dataclass, field

from asgi_caller import ask
from prediction_caller import FIGURE_2, document, predict

from extender.prediction.app import create_prediction_app
from extender.prediction.models import Costs
from extender.prediction.recording import Recording
from extender.prediction.registry import Model, by_name
from extender.prediction.request import REGRESSOR
from extender.prediction.service import PredictionService
from extender.settings import ExtenderSettings
from ledger.prediction import Prediction, ServerPrediction
from ledger.store import Ledger


class AsManyWattsAsCores:
    """A model that needs no file."""

    name = REGRESSOR

    def costs(self, servers, task_cores):
        """See `CostModel`."""
        return Costs(watts=servers.cpu_cores.copy(), clamped={})


MODELS = by_name(
    Model(name=REGRESSOR, load=AsManyWattsAsCores, label="a test", how="the task adds")
)


@dataclass
class Queue:
    """A queue whose database is away until `settle` is called."""

    written: int = 0
    dropped: int = 0
    forgotten: int = 0
    waiting: list[Prediction] = field(default_factory=list)
    is_full: bool = False

    @property
    def pending(self):
        """Records that wait."""
        return len(self.waiting)

    def offer(self, record):
        """Take a record, unless there is no room."""
        if self.is_full:
            self.dropped += 1
            return False
        self.waiting.append(record)
        return True

    def settle(self, count):
        """The database takes the first records."""
        del self.waiting[:count]
        self.written += count


def prediction(servers):
    """A prediction of so many servers."""
    one = ServerPrediction(
        server="a", cpu_cores=1, memory_gigabytes=1, energy_rate_watts_per_core=1,
        used_ratio=0, cost_watts=1, reason="",
    )  # fmt: skip
    return Prediction(
        predicted_at_seconds=1, model="regressor", source="given", task_load_percent=1,
        best_server="a", best_cost_watts=1, reason="it is", servers=(one,) * servers,
    )  # fmt: skip


def test_servers_that_wait_are_bounded_and_come_again_when_the_database_does():
    """The queue alone would count records, of whatever size."""
    queue = Queue()
    recording = Recording(queue, servers_max=10)

    assert [recording.offer(prediction(4)) for _ in range(4)] == [True, True, False, False]
    queue.settle(1)
    assert [recording.offer(prediction(4)) for _ in range(2)] == [True, False]
    queue.settle(2)
    assert [recording.offer(prediction(4)) for _ in range(3)] == [True, True, False]


def test_one_prediction_of_any_size_is_taken_where_nothing_waits():
    """Else the largest would never be recorded."""
    queue = Queue()
    recording = Recording(queue, servers_max=10)

    assert recording.offer(prediction(50))
    assert not recording.offer(prediction(1))


def test_what_is_not_recorded_is_counted(tmp_path):
    """Whether the queue had no room or too many servers waited, and beside the ledger's figures."""
    queue = Queue()
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        service = PredictionService(
            offer=Recording(queue, servers_max=4).offer,
            ledger=ledger,
            models=MODELS,
        )
        app = create_prediction_app(service, ExtenderSettings(), queue)
        recorded = [predict(app, document(FIGURE_2)).json()["recorded"] for _ in range(3)]
        said = ask(app, "GET", "/metrics").sent.decode()
        service.close()

    assert recorded == [True, False, False]
    assert "\nnegawatt_extender_predictions_dropped_records_total 2.0\n" in said
    assert "\nnegawatt_extender_ledger_pending_records 1\n" in said


def test_without_a_ledger_nothing_is_dropped():
    """And nothing is said of a ledger."""
    service = PredictionService(models=MODELS)
    app = create_prediction_app(service, ExtenderSettings())
    predict(app, document(FIGURE_2))
    said = ask(app, "GET", "/metrics").sent.decode()
    service.close()

    assert "\nnegawatt_extender_predictions_dropped_records_total 0.0\n" in said
    assert "negawatt_extender_ledger" not in said


def test_what_the_queue_refuses_is_refused():
    """And takes no room."""
    queue = Queue(is_full=True)
    recording = Recording(queue, servers_max=10)

    assert not recording.offer(prediction(5))
    queue.is_full = False
    assert recording.offer(prediction(10))
