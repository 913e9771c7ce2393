"""Wires the controller of tiers: settings, then gateways, then the controller under HTTP."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import ExitStack
from random import Random

import uvloop

from cluster.kube.client import connect
from cluster.kube.leader_election import LeaderElection, LeaseName
from cluster.kube.node_labels import NodeLabels
from cluster.kube.settings import KubeSettings
from energy.errors import InputError, NegawattError
from energy.power_profile import PowerProfile, read_power_profiles
from extender.access import require_guarded
from extender.serving import log_to_stderr, serve
from extender.tiers.app import create_app
from extender.tiers.controller import Alone, Controller, Elected, Leadership
from extender.tiers.relabelling import Relabelling
from extender.tiers.settings import ACT, TiersSettings, read_settings
from extender.tiers.watch import ClusterWatch


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
        leadership: Leadership = Alone()
        if settings.mode == ACT and settings.leader_elect:
            lease = LeaseName(namespace=settings.lease_namespace, name=settings.lease_name)
            # A client of its own: a renewal must not queue behind labels. The lease is given back
            # after the controller has ended: the stack is left in reverse.
            own = connect(kube)
            opened.callback(own.close)
            leadership = Elected(opened.enter_context(LeaderElection(own, lease, rng=rng)))
        controller = Controller(
            settings,
            Relabelling(labels=NodeLabels(client), now=time.time, rng=rng, force=settings.force),
            lambda changed: ClusterWatch(client, changed, rng=rng, written_profiles=written),
            leadership,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(controller, settings))


async def _serve(controller: Controller, settings: TiersSettings) -> None:
    """Follow the cluster and listen at once: whether it is known is for /readyz to say."""
    with controller:
        await serve(create_app(controller, settings), settings, _say)


def _say(url: str) -> None:
    print(f"listening on {url}", flush=True)  # noqa: T201 - whoever started it waits for this line


def main() -> None:
    """Run with settings from the environment alone; one line and exit 1 or 2 on an error."""
    log_to_stderr()
    try:
        run(read_settings())
    except NegawattError as error:
        print(f"tiers: {error}", file=sys.stderr)  # noqa: T201 - its only line
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main()
