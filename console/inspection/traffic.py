"""Does a Prometheus tell of the traffic of workloads: each preset, asked as the bridge asks it?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from console.inspection.finding import Finding, State, one_line
from energy.errors import NegawattError

if TYPE_CHECKING:
    from telemetry.traffic.check import SignalFinding

TOPIC = "traffic"
SERVER, REQUESTS = "Prometheus", "requests of workloads"
FORECASTS = "`negawatt telemetry run`: forecasts of traffic"
WHAT_ELSE = "see docs/how-to/stream-traffic.md for exporters and queries of your own"


def traffic_findings(url: str) -> Iterator[Finding]:
    """Ask that Prometheus for every preset; settings of the environment count.

    NEGAWATT_TELEMETRY__PROMETHEUS_TOKEN_FILE and its kin say who we are.
    """
    try:
        from telemetry.bridge.minutes import latest_complete
        from telemetry.bridge.settings import read_settings
        from telemetry.prometheus import Prometheus
        from telemetry.traffic.check import checked
    except ImportError as error:
        yield _server(State.MISSING, f"the extra `telemetry` is not installed ({error})")
        return
    try:
        settings = read_settings({"prometheus_url": url})
        prometheus = Prometheus(settings.prometheus_settings())
        try:
            minute = latest_complete(time.time(), settings.delay_seconds)
            found = checked(prometheus, settings.traffic_options(), minute)
        finally:
            prometheus.close()
    except NegawattError as error:
        yield _server(State.BROKEN, str(error))
        return
    yield _server(State.PRESENT, f"answers at {url}")
    yield from preset_findings(found)


def preset_findings(found: Sequence[SignalFinding]) -> Iterator[Finding]:
    """Say of each preset what it finds; any one that tells of requests will do."""
    for source, signals in groupby(found, key=lambda signal: signal.source):
        yield _preset(source, list(signals))
    best = max(
        (one for one in found if one.signal == "requests_per_second"),
        key=lambda one: one.workloads,
        default=None,
    )
    workloads = 0 if best is None else best.workloads
    yield Finding(
        topic=TOPIC,
        name=REQUESTS,
        state=State.PRESENT if workloads else State.MISSING,
        found=f"{workloads} workloads or more" if workloads else "no preset finds any",
        enables=FORECASTS,
        get=WHAT_ELSE,
    )


def _preset(source: str, signals: Sequence[SignalFinding]) -> Finding:
    told = [f"{one.signal} of {one.workloads}" for one in signals if one.workloads]
    lacks = [f"no {one.signal}: {one.lacking}" for one in signals if not one.workloads]
    is_whole = not lacks
    return Finding(
        topic=TOPIC,
        name=source,
        state=State.PRESENT if is_whole else State.BROKEN if told else State.MISSING,
        found=one_line("; ".join([*told, *lacks])),
        enables=FORECASTS,
        get=next((one.mend for one in signals if not one.workloads and one.mend), WHAT_ELSE),
        optional=True,
    )


def _server(state: State, found: str) -> Finding:
    return Finding(
        topic=TOPIC,
        name=SERVER,
        state=state,
        found=one_line(found),
        enables=FORECASTS,
        get="give the address under which /api/v1/query answers, and a token if it wants one",
    )
