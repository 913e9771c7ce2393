"""Wires the service of predictions alone: settings, ledger, models, HTTP."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import uvloop

from energy.errors import NegawattError
from extender.prediction.app import create_prediction_app
from extender.prediction.predictor import require_onnxruntime
from extender.prediction.recording import Recording
from extender.prediction.registry import SHIPPED
from extender.prediction.service import PredictionService
from extender.settings import NO_LEDGER, ExtenderSettings, read_settings
from ledger.retention import Retention
from ledger.store import Ledger
from ledger.writer import LedgerWriter
from telemetry.serving.access import require_guarded
from telemetry.serving.server import serve, serve_alone

#: As in the extender: a model must not keep Python to itself while health is asked for.
SWITCH_SECONDS = 0.0005
_log = logging.getLogger("extender.prediction")


@contextmanager
def prediction_service(
    settings: ExtenderSettings,
) -> Iterator[tuple[PredictionService, LedgerWriter | None]]:
    """The service over the ledger of the settings with its queue, if they name one."""
    with ExitStack() as opened:
        service = PredictionService()
        writer: LedgerWriter | None = None
        if settings.ledger_url != NO_LEDGER:
            ledger = opened.enter_context(
                Ledger.open(
                    settings.ledger_url,
                    may_be_away=True,
                    password_file=settings.ledger_password_file,
                )
            )
            writer = LedgerWriter(ledger, capacity=settings.ledger_capacity, retention=Retention())
            service.ledger = ledger
            service.offer = Recording(opened.enter_context(writer)).offer
        opened.callback(service.close)
        yield service, writer


def run(settings: ExtenderSettings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        InputError: a setting cannot be followed.
        UnavailableError: onnxruntime is not installed, or the port is taken.
    """
    require_guarded(settings)
    require_onnxruntime()
    sys.setswitchinterval(SWITCH_SECONDS)
    with (
        prediction_service(settings) as (service, writer),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(service, writer, settings))


async def _serve(
    service: PredictionService, writer: LedgerWriter | None, settings: ExtenderSettings
) -> None:
    """Listen at once; the first request finds the models loaded, or waits for them."""
    loading = asyncio.create_task(service.on_model_thread(_load))
    await serve(create_prediction_app(service, settings, writer), settings, _say)
    await asyncio.gather(loading, return_exceptions=True)


def _load() -> None:
    try:
        for model in SHIPPED.values():
            model.load()
    except NegawattError as error:
        _log.warning("%s", error)  # said to whoever asks, too
    # What is loaded stays: the search for garbage, which halts all threads, need not look at it.
    gc.freeze()


def _say(url: str) -> None:
    print(f"listening on {url}: open {url}/predict", flush=True)  # noqa: T201 - waited for


def main() -> None:
    """Run with settings from the environment alone."""
    serve_alone("extender", lambda: run(read_settings()))


if __name__ == "__main__":
    main()
