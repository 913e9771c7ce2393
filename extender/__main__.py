"""Wires the extender: settings, then gateways, then the service under its HTTP shell."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial

import uvloop

from cluster.kube.client import KubeClient, connect
from cluster.kube.identity import cluster_uid
from cluster.kube.settings import KubeSettings
from cluster.kube.snapshot import ClusterObserver
from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.power_profile import PowerProfile, read_power_profiles
from extender.app import ExtenderApp, create_app
from extender.core import Core, CoreOptions
from extender.expected_demand import read_expected_demand
from extender.own_ledger import OwnLedger
from extender.prediction.cluster import ClusterServers
from extender.prediction.live_nodes import cluster_servers
from extender.prediction.recording import Recording
from extender.prediction.routes import add_prediction
from extender.prediction.service import PredictionService
from extender.rankings import RULES
from extender.readings import ReadingLoop
from extender.scorer import Readiness
from extender.service import Service
from extender.settings import MEASURED, NO_LEDGER, ExtenderSettings, read_settings
from ledger.retention import Retention
from ledger.store import Ledger
from ledger.writer import LedgerWriter
from telemetry.prometheus import Prometheus, PrometheusSettings
from telemetry.reader import Reader, ReaderSettings
from telemetry.serving.access import require_guarded
from telemetry.serving.server import say_where, serve, serve_alone

_log = logging.getLogger("extender")

#: How long a thread may keep Python to itself. The default of 5 ms would be a request's whole time.
SWITCH_SECONDS = 0.0005


def core_options(settings: ExtenderSettings) -> CoreOptions:
    """What the core needs to know of the settings.

    Raises:
        InputError: there is no such rule, or the expected demand cannot be read.
    """
    if settings.rule not in RULES:
        raise InputError(f"no rule is named {settings.rule}", mend=f"use one of {', '.join(RULES)}")
    path = settings.expected_demand
    ratio = settings.usage_ratio
    return CoreOptions(
        mode=settings.mode,
        rule=settings.rule,
        scheduler_names=settings.scheduler_names,
        usage_ratio=None if ratio == MEASURED else float(ratio),
        usage_ratio_fallback=settings.usage_ratio_fallback,
        nodes_may_sleep=settings.nodes_may_sleep,
        utilisation_ceiling_ratio=settings.utilisation_ceiling_ratio,
        assume_seconds=settings.assume_seconds,
        stale_seconds=settings.stale_seconds,
        decisions_remembered=settings.decisions_remembered,
        expected_demand=None if path is None else read_expected_demand(path),
    )


def run(settings: ExtenderSettings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        InputError: a setting cannot be followed.
        UnavailableError: the port is taken, or a file or the cluster's credentials are not there.
    """
    require_guarded(settings)
    options = core_options(settings)
    written: tuple[PowerProfile, ...] = ()
    if settings.power_profiles is not None:
        written = read_power_profiles(settings.power_profiles)
    client = connect(KubeSettings(kubeconfig=settings.kubeconfig, context=settings.context))
    sys.setswitchinterval(SWITCH_SECONDS)
    with ExitStack() as opened:
        writer: LedgerWriter | None = None
        ledger: Ledger | None = None
        left_running: Callable[[], Iterable[str]] = tuple
        if settings.ledger_url != NO_LEDGER:
            ledger = opened.enter_context(
                Ledger.open(
                    settings.ledger_url,
                    may_be_away=True,
                    password_file=settings.ledger_password_file,
                )
            )
            keep = Retention(rows_max=settings.ledger_rows_max, days_max=settings.ledger_days_max)
            own = OwnLedger(ledger, partial(cluster_uid, client))
            own.claim()
            bounded = LedgerWriter(own, capacity=settings.ledger_capacity, retention=keep)
            writer = opened.enter_context(bounded)
            left_running = own.running_uids
        core = Core(
            options,
            now=time.time,
            catalogue=Catalogue.shipped().with_power_profiles(written),
            offer=writer.offer if writer else lambda _: None,
            offer_end=writer.offer_end if writer else lambda _uid, _at: None,
        )
        service = Service(
            settings,
            core,
            client,
            writer=writer,
            read_with=partial(reading_loop, settings, client),
            written_profiles=written,
            left_running=left_running,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            prediction = PredictionService(
                offer=Recording(writer).offer if writer else lambda _: False,
                ledger=ledger,
                cluster=partial(nodes_of, core, service.readiness, service.silence),
            )
            opened.callback(prediction.close)
            add = partial(add_prediction, service=prediction, settings=settings)
            runner.run(_serve(create_app(service, settings, add=add), service, settings))


def nodes_of(
    core: Core,
    readiness: Callable[[], Readiness],
    silence: Callable[[], str],
    task_cores: float,
) -> ClusterServers | str:
    """The cluster's nodes for a prediction, or why they are not known, or not any more.

    Scheduling goes on with what was known last; nobody waits for a prediction that may be wrong. On
    the event loop's thread.
    """
    if line := silence():
        return line
    scene = core.scene()
    if scene is None:
        return f"the cluster is not known: {'; '.join(readiness().lines) or 'no rule yet'}"
    return cluster_servers(scene, task_cores)


def reading_loop(
    settings: ExtenderSettings, client: KubeClient, observer: ClusterObserver
) -> ReadingLoop:
    """What reads Prometheus, if there is one, and metrics.k8s.io."""
    prometheus = None
    if settings.prometheus_url is not None:
        prometheus = Prometheus(
            PrometheusSettings(
                url=settings.prometheus_url,
                bearer_token_file=settings.prometheus_token_file,
                ca_file=settings.prometheus_ca_file,
            )
        )
    reader = Reader(
        snapshot=lambda: observer.observe(now_seconds=time.time()).snapshot,
        prometheus=prometheus,
        client=client,
        settings=ReaderSettings(
            stale_seconds=settings.stale_seconds,
            usage_ratio=None if settings.usage_ratio == MEASURED else settings.usage_ratio,
            usage_ratio_fallback=settings.usage_ratio_fallback,
        ),
    )
    return ReadingLoop(
        reader,
        interval_seconds=settings.readings_seconds,
        stale_seconds=settings.stale_seconds,
    )


async def _serve(app: ExtenderApp, service: Service, settings: ExtenderSettings) -> None:
    """Follow the cluster and listen at once: whether it is known is for /readyz to say."""
    async with service:
        await serve(app, settings, say_where)


def main() -> None:
    """Run with settings from the environment alone."""
    serve_alone("extender", lambda: run(read_settings()))


if __name__ == "__main__":
    main()
