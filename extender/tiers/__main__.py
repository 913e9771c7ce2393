"""Wires the controller of tiers: settings, then gateways, then the controller under HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from random import Random

import uvloop

from cluster.kube.client import connect
from cluster.kube.leader_election import LeaderElection, LeaseName
from cluster.kube.leases import ElectionSettings
from cluster.kube.node_labels import NodeLabels
from cluster.kube.settings import KubeSettings
from energy.power_profile import PowerProfile, read_power_profiles
from extender.settings import NO_LEDGER
from extender.tiers.app import create_app
from extender.tiers.clock import steady
from extender.tiers.controller import Alone, Controller, Elected, Leadership
from extender.tiers.labels import LabelChange
from extender.tiers.record import action_of
from extender.tiers.relabelling import Relabelling
from extender.tiers.settings import ACT, TiersSettings, read_settings
from extender.tiers.watch import ClusterWatch
from ledger.retention import Retention
from ledger.store import Ledger
from ledger.writer import LedgerWriter
from telemetry.serving.access import require_guarded
from telemetry.serving.server import say_where, serve, serve_alone

_ELECTION = ElectionSettings()
#: To connect and to be answered take this long each at most: a change that is begun in the last
#: moment of a lead is over before another may lead.
ANSWER_SECONDS_MAX = (_ELECTION.lease_seconds - _ELECTION.renew_seconds) / 2


def run(settings: TiersSettings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        InputError: a setting cannot be followed.
        UnavailableError: the port is taken, or a file or the cluster's credentials are not there.
    """
    require_guarded(settings)
    written: tuple[PowerProfile, ...] = ()
    if settings.power_profiles is not None:
        written = read_power_profiles(settings.power_profiles)
    kube = KubeSettings(kubeconfig=settings.kubeconfig, context=settings.context)
    client = connect(kube)
    rng = Random()  # noqa: S311 - spreads retries, keeps no secret
    with ExitStack() as opened:
        opened.callback(client.close)
        labels = NodeLabels(client, answer_seconds_max=ANSWER_SECONDS_MAX)
        writer = _ledger_writer(settings, opened)
        controller = Controller(
            settings,
            Relabelling(
                labels=labels,
                now=steady(time.time, time.monotonic),
                rng=rng,
                force=settings.force,
            ),
            lambda changed: ClusterWatch(client, changed, rng=rng, written_profiles=written),
            _leadership(settings, kube, rng, opened),
            changed=_recorder(settings, writer),
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(controller, settings, writer))


def _leadership(
    settings: TiersSettings, kube: KubeSettings, rng: Random, opened: ExitStack
) -> Leadership:
    """Who decides whether we may; the stack gives the lease back when the controller has ended."""
    if settings.mode != ACT or not settings.leader_elect:
        return Alone()
    lease = LeaseName(namespace=settings.lease_namespace, name=settings.lease_name)
    client = connect(kube)  # one of its own: a renewal must not queue behind labels
    opened.callback(client.close)
    election = opened.enter_context(LeaderElection(client, lease, rng=rng, settings=_ELECTION))
    return Elected(election, settings.lease_namespace)


def _ledger_writer(settings: TiersSettings, opened: ExitStack) -> LedgerWriter | None:
    """What writes the ledger beside the controller, if one is kept."""
    if settings.ledger_url == NO_LEDGER:
        return None
    ledger = opened.enter_context(
        Ledger.open(
            settings.ledger_url, may_be_away=True, password_file=settings.ledger_password_file
        )
    )
    return opened.enter_context(LedgerWriter(ledger, retention=Retention()))


def _recorder(
    settings: TiersSettings, writer: LedgerWriter | None
) -> Callable[[LabelChange], object]:
    """What takes each change into the ledger."""
    if writer is None:
        return lambda _change: None
    # By the wall clock, which other records go by; limits have a clock of their own.
    return lambda change: writer.offer(
        action_of(change, rule=settings.rule, at_seconds=time.time())
    )


async def _serve(
    controller: Controller, settings: TiersSettings, writer: LedgerWriter | None
) -> None:
    """Follow the cluster and listen at once: whether it is known is for /readyz to say."""
    with controller:
        await serve(create_app(controller, settings, writer), settings, say_where)


def main() -> None:
    """Run with settings from the environment alone."""
    serve_alone("tiers", lambda: run(read_settings()))


if __name__ == "__main__":
    main()
