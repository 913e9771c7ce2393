"""How long `POST /predict` takes for 1, 100 and 10,000 servers, and what waits meanwhile.

    .venv/bin/python bench/prediction_rate.py

Whole requests over the ASGI interface: JSON in, prices, ranks, the ledger's record, JSON out; the
network is left out. The longest wait is of a task on the same event loop that only looks at the
clock: in the extender it would be a question of kube-scheduler. The last row is what it waits on
this machine while nothing is asked. CPU is of the whole process.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from statistics import median

import orjson
import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from asgi_caller import LOOPBACK, Reply
from rich.console import Console
from rich.table import Table

from extender.app import ExtenderApp
from extender.garbage import GarbageTurns
from extender.prediction.app import create_prediction_app
from extender.prediction.request import FOREST, REGRESSOR
from extender.prediction.service import PredictionService
from extender.settings import ExtenderSettings

COUNTS = (1, 100, 10_000)
REPEATS = {1: 200, 100: 200, 10_000: 20}
#: uvloop counts in milliseconds; less would be no pause at all.
TICK_SECONDS = 0.002
TURN_TICKS = 25
IDLE_SECONDS = 20.0
SWITCH_SECONDS = 0.0005
#: As in a data centre: some thirty kinds of servers, each at a load of its own.
KINDS = 30


def body(count: int, model: str) -> bytes:
    """A request for a task of one core and a half."""
    servers = [
        {
            "id": f"server-{number}",
            "cpus": 16 + 8 * (number % KINDS),
            "memory": 64 + 32 * (number % KINDS),
            "energy_rate": 4 + (number % KINDS) / 5,
            "cpu_usage": number % 97,
        }
        for number in range(count)
    ]
    return orjson.dumps({"task_load": 150, "servers": servers, "model": model})


async def ask(app: ExtenderApp, sent: bytes) -> Reply:
    """One request."""
    reply = Reply([sent])
    headers = [(b"content-type", b"application/json"), (b"host", b"localhost")]
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
        "method": "POST", "scheme": "http", "path": "/predict", "raw_path": b"/predict",
        "root_path": "", "query_string": b"", "headers": headers, "client": LOOPBACK,
        "server": LOOPBACK,
    }  # fmt: skip
    await app(scope, reply.receive, reply.send)
    return reply


async def longest_wait(stop: asyncio.Event) -> float:
    """The longest time beyond a tick that a task did not get its turn, seconds.

    Every 25 ticks garbage is searched for as in the extender's own turn.
    """
    longest, ticks = 0.0, 0
    garbage = GarbageTurns(time.monotonic())
    garbage.whole(time.monotonic())
    while not stop.is_set():
        before = time.perf_counter()
        ticks += 1
        if ticks % TURN_TICKS == 0:
            garbage.turn(time.monotonic())
        await asyncio.sleep(TICK_SECONDS)
        longest = max(longest, time.perf_counter() - before - TICK_SECONDS)
    garbage.release()
    return longest


async def idle() -> float:
    """The longest wait while nothing is asked, seconds."""
    stop = asyncio.Event()
    watching = asyncio.create_task(longest_wait(stop))
    await asyncio.sleep(IDLE_SECONDS)
    stop.set()
    return await watching


async def measured(app: ExtenderApp, count: int, model: str) -> tuple[list[float], float, float]:
    """Seconds of each request, seconds of CPU a request, and the longest wait beside them."""
    sent = body(count, model)
    for _ in range(3):
        reply = await ask(app, sent)
    if reply.status != 200:  # noqa: PLR2004 - OK
        raise SystemExit(reply.sent.decode())
    stop = asyncio.Event()
    watching = asyncio.create_task(longest_wait(stop))
    times, cpu_before = [], time.process_time()
    for _ in range(REPEATS[count]):
        before = time.perf_counter()
        await ask(app, sent)
        times.append(time.perf_counter() - before)
    cpu_seconds = (time.process_time() - cpu_before) / len(times)
    stop.set()
    return times, cpu_seconds, await watching


async def main() -> None:
    """Measure and print."""
    service = PredictionService(offer=lambda _record: True)
    app = create_prediction_app(service, ExtenderSettings())
    table = Table(title="POST /predict, one after the other")
    for heading in ("model", "servers", "median ms", "p95 ms", "CPU ms", "µs a server",
                    "to 1 server", "longest wait ms"):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for model in (REGRESSOR, FOREST):
        alone = 0.0
        for count in COUNTS:
            times, cpu_seconds, waited = await measured(app, count, model)
            middle, high = median(times), sorted(times)[int(0.95 * len(times))]
            alone = alone or middle
            table.add_row(
                model, f"{count:,}", f"{1e3 * middle:.2f}", f"{1e3 * high:.2f}",
                f"{1e3 * cpu_seconds:.2f}",
                f"{1e6 * middle / count:.1f}", f"{middle / alone:.1f}", f"{1e3 * waited:.1f}",
            )  # fmt: skip
    service.close()
    table.add_row("none", "0", *("–" for _ in range(5)), f"{1e3 * await idle():.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
