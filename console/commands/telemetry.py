"""`negawatt telemetry`: what Prometheus has of workloads, onto the stream, minute by minute."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typing_extensions import override

from console.commands.service_command import RunByDefault, installed, run_command
from console.output import JSON, TABLE, json_text, require_format, stderr, stdout

if TYPE_CHECKING:
    from telemetry.bridge.settings import BridgeSettings

RUN_HELP = """Carry every minute from Prometheus to Kafka until SIGTERM or Ctrl-C.

Each option can also be given as a variable: NEGAWATT_TELEMETRY__PROMETHEUS_URL and so on.
"""
EXIT_FAILED = 1

Output = Annotated[str, typer.Option(help="table or json.")]
Url = Annotated[str | None, typer.Option(help="Prometheus, such as http://127.0.0.1:9090.")]
Presets = Annotated[str | None, typer.Option(help="Exporters, comma-separated (default: all).")]
Queries = Annotated[Path | None, typer.Option(help="YAML file of queries of your own.")]
Matchers = Annotated[str | None, typer.Option(help='Label matchers, such as cluster="prod".')]
TokenFile = Annotated[Path | None, typer.Option(help="File with the token for Prometheus.")]
CaFile = Annotated[Path | None, typer.Option(help="CA of Prometheus' certificate.")]
Window = Annotated[str | None, typer.Option(help="Over which rates are taken (default 120).")]


class _Telemetry(RunByDefault):
    """`negawatt telemetry --port 0` is `negawatt telemetry run --port 0`."""

    @override
    def run_command(self) -> Any:
        with installed("telemetry"):
            from telemetry.bridge.settings import BridgeSettings
        return run_command(BridgeSettings, RUN_HELP, _run)


def _run(given: Mapping[str, str | bool | None]) -> None:
    with installed("telemetry"):
        from telemetry.bridge.__main__ import run
        from telemetry.bridge.settings import read_settings
        from telemetry.serving.server import log_to_stderr

    log_to_stderr()
    run(read_settings(given))


telemetry = typer.Typer(
    help="Carry the traffic of workloads from Prometheus to the forecaster.",
    no_args_is_help=True,
    cls=_Telemetry,
)


def register(app: typer.Typer) -> None:
    """Add the command and its subcommands to the application."""
    app.add_typer(telemetry, name="telemetry")


@telemetry.callback()
def _about() -> None:
    """Carry the traffic of workloads from Prometheus to the forecaster.

    Options without a subcommand are those of `run`.
    """


@telemetry.command()
def check(  # noqa: PLR0913, PLR0917 - one parameter per option
    prometheus_url: Url = None,
    presets: Presets = None,
    queries_file: Queries = None,
    matchers: Matchers = None,
    rate_window_seconds: Window = None,
    prometheus_token_file: TokenFile = None,
    prometheus_ca_file: CaFile = None,
    output: Output = TABLE,
) -> None:
    """Ask Prometheus for each signal, and say what is there, what lacks and how to mend it.

    Settings of the environment (NEGAWATT_TELEMETRY__PROMETHEUS_URL and so on) count as with `run`.
    Exit code 1 where nobody's requests are found.
    """
    form = require_format(output, (TABLE, JSON))
    settings = _settings(
        prometheus_url=prometheus_url,
        presets=presets,
        queries_file=queries_file,
        matchers=matchers,
        rate_window_seconds=rate_window_seconds,
        prometheus_token_file=prometheus_token_file,
        prometheus_ca_file=prometheus_ca_file,
    )
    from console.telemetry_tables import findings_document, show_findings
    from telemetry.bridge.minutes import latest_complete
    from telemetry.prometheus import Prometheus
    from telemetry.traffic.check import checked
    from telemetry.traffic.query import Signal

    asked = settings.prometheus_settings()
    prometheus = Prometheus(asked)
    with stderr().status("asking Prometheus") as status:
        minute = latest_complete(time.time(), settings.delay_seconds)
        findings = checked(
            prometheus,
            settings.traffic_options(),
            minute,
            on_query=lambda query: status.update(
                f"asking Prometheus: {query.source} {query.signal}"
            ),
        )
    prometheus.close()
    if form == JSON:
        typer.echo(json_text(findings_document(asked.url, findings)))
    else:
        show_findings(findings, stdout())
    if not any(each.workloads for each in findings if each.signal is Signal.REQUESTS):
        raise typer.Exit(EXIT_FAILED)


@telemetry.command()
def queries(
    presets: Presets = None,
    queries_file: Queries = None,
    matchers: Matchers = None,
    rate_window_seconds: Window = None,
    output: Output = TABLE,
) -> None:
    """Print the PromQL that is sent; nothing is asked."""
    form = require_format(output, (TABLE, JSON))
    settings = _settings(
        presets=presets,
        queries_file=queries_file,
        matchers=matchers,
        rate_window_seconds=rate_window_seconds,
    )
    from console.telemetry_tables import queries_document, show_queries

    options = settings.traffic_options()
    if form == JSON:
        typer.echo(json_text(queries_document(options.queries, options.scope)))
    else:
        show_queries(options.queries, options.scope, stdout())


def _settings(**given: object) -> BridgeSettings:
    with installed("telemetry"):
        from telemetry.bridge.settings import read_settings
    return read_settings(given)
