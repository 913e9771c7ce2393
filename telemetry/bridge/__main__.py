"""Wires the bridge: settings, then Prometheus and Kafka, then the thread under its HTTP shell."""

from __future__ import annotations

import asyncio
import time
from socket import socket

import uvloop

from telemetry.bridge.app import create_app
from telemetry.bridge.bridge import Bridge
from telemetry.bridge.service import BridgeThread
from telemetry.bridge.settings import BridgeSettings, read_settings
from telemetry.bridge.state_file import StateFile
from telemetry.serving.access import require_guarded
from telemetry.serving.server import bound, say_where, serve, serve_alone
from telemetry.stream.interface import SAMPLES_TOPIC, Stream
from telemetry.stream.settings import open_stream


def run(settings: BridgeSettings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        InputError: a setting cannot be followed.
        UnavailableError: the port is taken, or the state cannot be kept.
    """
    require_guarded(settings)
    stream = open_stream(settings)
    # First of all: who is started twice by mistake must change nothing of the other one's.
    with (
        bound(settings) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(BridgeThread(_bridge(settings, stream)), settings, listener))


def _bridge(settings: BridgeSettings, stream: Stream) -> Bridge:
    state_file = StateFile(settings.state_file, of=settings.fingerprint(settings.stream_name))
    state_file.require_writable()
    core = settings.bridge_core(state_file.read())
    return Bridge(
        core, lambda: stream.producer(SAMPLES_TOPIC), now=time.time, state_file=state_file
    )


async def _serve(running: BridgeThread, settings: BridgeSettings, listener: socket) -> None:
    """Carry and listen at once: whether anybody is there to carry to is for /readyz to say."""
    with running:
        await serve(create_app(running, settings), settings, say_where, listener)


def main() -> None:
    """Run with settings from the environment alone."""
    serve_alone("telemetry", lambda: run(read_settings()))


if __name__ == "__main__":
    main()
