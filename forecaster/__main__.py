"""Wires the forecaster: settings, then gateways, then the service under its HTTP shell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from random import Random
from socket import socket
from typing import TYPE_CHECKING

import uvloop

from energy.errors import InputError
from forecaster.annotated import selection_of
from forecaster.app import create_app
from forecaster.challenge import ChallengePolicy
from forecaster.core import Core, CoreOptions
from forecaster.engine import Engine
from forecaster.model_changes import ModelChanges, ModelOptions
from forecaster.model_set import ModelSet
from forecaster.registry import SHIPPED, Registry
from forecaster.retraining import RetrainingPolicy
from forecaster.selection import Selection, wishes_of
from forecaster.service import Service, ServiceOptions
from forecaster.settings import DAY_SECONDS, NO_LEDGER, ForecasterSettings, read_settings
from forecaster.state_files import StateFiles, alone_in
from telemetry.bridge.bridge import Bridge
from telemetry.bridge.service import BridgeThread
from telemetry.serving.access import require_guarded
from telemetry.serving.server import bound, say_where, serve, serve_alone
from telemetry.stream.interface import RECORDS_MAX, SAMPLES_TOPIC, Stream
from telemetry.stream.memory import MEMORY_RECORDS_MAX, MemoryStream
from telemetry.stream.samples import samples_topic
from telemetry.stream.settings import open_stream

if TYPE_CHECKING:
    from cluster.kube.workload_annotations import WorkloadAnnotations
    from ledger.writer import LedgerWriter

MEMORY = "memory"


def core_options(settings: ForecasterSettings) -> CoreOptions:
    """What the core needs to know of the settings."""
    return CoreOptions(
        wait_seconds=settings.wait_seconds,
        sample_age_seconds_max=settings.sample_age_seconds_max,
        valid_seconds=settings.valid_seconds,
        keys_max=settings.keys_max,
        ledger_keys_max=settings.ledger_keys_max,
    )


def model_options(settings: ForecasterSettings) -> ModelOptions:
    """What becomes of models."""
    retraining = RetrainingPolicy(
        interval_seconds=settings.retrain_days * DAY_SECONDS, drift_factor=settings.drift_factor
    )
    return ModelOptions(
        challenge=ChallengePolicy(
            scored_count_min=settings.challenger_scored_min,
            margin_ratio=settings.challenger_margin_ratio,
        ),
        retraining=retraining if settings.retrain else None,
        challenger_keys_max=settings.challenger_keys_max,
        budget_seconds=settings.retrain_budget_seconds,
    )


def service_options(settings: ForecasterSettings) -> ServiceOptions:
    """Where samples come from, and how they are read.

    Raises:
        InputError: the file that says how an adapter's are read does not do.
    """
    return ServiceOptions(
        samples=samples_topic(settings),
        group=settings.group,
        state_seconds=settings.state_seconds,
        publishes=settings.stream != MEMORY,
        rebuilds=settings.stream != MEMORY,
    )


def engine_of(registry: Registry, version: str) -> Engine:
    """An engine of a version of the models.

    Raises:
        InputError: there is no such version, or it cannot be loaded.
    """
    folder = registry.path(version)
    return Engine(ModelSet.shipped() if folder is None else ModelSet.load(folder))


def run(settings: ForecasterSettings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        InputError: a setting cannot be followed.
        UnavailableError: the port is taken, or a file, a folder or the credentials are not there.
    """
    require_guarded(settings)
    if settings.stream == MEMORY and settings.prometheus_url is None:
        raise InputError(
            "nothing says where samples come from",
            where="--prometheus-url",
            mend="name a Prometheus, or read samples from Kafka with --stream kafka",
        )
    options = service_options(settings)
    registry = Registry(settings.models_directory)
    registry.require_folder()
    stream = _stream(settings)
    with ExitStack() as opened:
        # First of all: who is started twice by mistake must change nothing of the other one's.
        listener = opened.enter_context(bound(settings))
        if settings.stream == MEMORY:  # those of a group on Kafka may share a folder
            opened.enter_context(alone_in(settings.state_directory))
        writer = _ledger(settings, opened)
        followed = followed_annotations(settings, opened)
        core = Core(
            engine_of(registry, SHIPPED), core_options(settings), _selection(settings, followed)
        )
        models = ModelChanges(
            registry, core, lambda version: engine_of(registry, version), model_options(settings)
        )
        models.start()
        bridge = _bridge(settings, stream)
        service = Service(
            core,
            models,
            stream,
            StateFiles(settings.state_directory, options.samples.name),
            options,
            offer=writer.offer if writer else lambda _record: None,
            troubles=lambda: troubles_of(bridge, followed),
            past_comes=(lambda: False) if bridge is None else lambda: bridge.figures().is_fetching,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(service, bridge, settings, writer, listener))


def _stream(settings: ForecasterSettings) -> Stream:
    if settings.stream == MEMORY:
        # Several partitions, so that their states are small; in all as many records as one has.
        partitions = settings.kafka_partitions
        records_max = max(RECORDS_MAX, MEMORY_RECORDS_MAX // partitions)
        return MemoryStream(partitions=partitions, records_max=records_max)
    return open_stream(settings)


def _bridge(settings: ForecasterSettings, stream: Stream) -> Bridge | None:
    """What reads Prometheus where no bridge of its own writes to Kafka."""
    if settings.stream != MEMORY:
        return None
    return Bridge(settings.bridge_core(), lambda: stream.producer(SAMPLES_TOPIC), now=time.time)


def _ledger(settings: ForecasterSettings, opened: ExitStack) -> LedgerWriter | None:
    if settings.ledger_url == NO_LEDGER:
        return None
    # The libraries of databases take 25 MB, those of Kubernetes 40: who uses none loads none.
    from ledger.retention import Retention
    from ledger.store import Ledger
    from ledger.writer import LedgerWriter

    ledger = Ledger.open(
        settings.ledger_url, may_be_away=True, password_file=settings.ledger_password_file
    )
    opened.enter_context(ledger)
    return opened.enter_context(LedgerWriter(ledger, retention=Retention()))


def troubles_of(bridge: Bridge | None, followed: WorkloadAnnotations | None) -> tuple[str, ...]:
    """What ails whoever brings the samples and the annotations."""
    lines = () if bridge is None else bridge.figures().troubles
    errors = () if followed is None else followed.errors()
    return (*lines, *(f"annotations cannot be followed: {error}" for error in errors))


def followed_annotations(
    settings: ForecasterSettings, opened: ExitStack
) -> WorkloadAnnotations | None:
    """The cluster's annotations, where they are followed."""
    if not settings.cluster:
        return None
    from cluster.kube.client import connect
    from cluster.kube.settings import KubeSettings
    from cluster.kube.workload_annotations import WorkloadAnnotations

    client = connect(KubeSettings(kubeconfig=settings.kubeconfig, context=settings.context))
    opened.callback(client.close)
    rng = Random()  # noqa: S311 - spreads retries, keeps no secret
    return opened.enter_context(WorkloadAnnotations(client, rng=rng))


def _selection(
    settings: ForecasterSettings, followed: WorkloadAnnotations | None
) -> Callable[[], Selection]:
    """Who opted in, as the settings and, where it is followed, the cluster say now."""
    fixed = Selection(
        wishes=wishes_of(settings.opt_in), lead_time_seconds=settings.lead_time_seconds
    )
    if followed is None:
        return lambda: fixed
    return lambda: selection_of(followed.annotations(), fixed)


async def _serve(
    service: Service,
    bridge: Bridge | None,
    settings: ForecasterSettings,
    writer: LedgerWriter | None,
    listener: socket,
) -> None:
    """Read, forecast and listen at once: whether forecasts are made is for /readyz to say."""
    with ExitStack() as running:
        # The bridge ends first: the forecaster then keeps all that it was given.
        running.enter_context(service)
        if bridge is not None:
            running.enter_context(BridgeThread(bridge))
        await serve(create_app(service, settings, writer), settings, say_where, listener)


def main() -> None:
    """Run with settings from the environment alone."""
    serve_alone("forecaster", lambda: run(read_settings()))


if __name__ == "__main__":
    main()
