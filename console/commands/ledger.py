"""`negawatt ledger`: take records out of the ledger, keep it small, bring its schema up to date."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.output import JSON, TABLE, json_text, require_format, say, stderr, stdout
from energy.errors import InputError

if TYPE_CHECKING:
    from ledger.database import Database
    from ledger.retention import Retention, Tidied
    from ledger.store import Ledger

URL_VARIABLE = "NEGAWATT_EXTENDER__LEDGER_URL"
PASSWORD_VARIABLE = "NEGAWATT_EXTENDER__LEDGER_PASSWORD_FILE"  # noqa: S105 - a variable's name
Url = Annotated[
    str | None,
    typer.Option(
        "--ledger-url",
        envvar=URL_VARIABLE,
        show_default=False,
        help="The ledger (SQLAlchemy URL); default: the extender's.",
    ),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--ledger-password-file", envvar=PASSWORD_VARIABLE, help="File with its password."
    ),
]
Output = Annotated[str, typer.Option(help="table or json.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]

ledger = typer.Typer(help="The ledger of decisions: export, tidy, migrate.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.add_typer(ledger, name="ledger")


@ledger.callback()
def _about() -> None:
    """The ledger of decisions: export, tidy, migrate."""


@ledger.command()
def export(  # noqa: PLR0913, PLR0917 - one parameter per option
    what: Annotated[
        str,
        typer.Argument(help="decisions, predictions, actions, forecast-errors or savings."),
    ],
    since: Annotated[
        str | None, typer.Option(help="From then on: 2026-11-22, 2026-11-22T08:00, Unix seconds.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before then; times are UTC.")] = None,
    namespace: Annotated[str | None, typer.Option(help="Only of this namespace.")] = None,
    workload: Annotated[
        str | None,
        typer.Option(help="Only of this workload: name or Kind/name; a forecast's whole key."),
    ] = None,
    node: Annotated[
        str | None, typer.Option(help="Only where this node was chosen, or predicted best.")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(help="preferred, dearer, cheaper, equal, unknown or no-preference."),
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Only by this rule.")] = None,
    model: Annotated[str | None, typer.Option(help="Only by this model.")] = None,
    period: Annotated[str, typer.Option(help="Of savings: hour or day.")] = "day",
    output: Annotated[str, typer.Option(help="csv or jsonl (one JSON object a line).")] = "csv",
    file: Annotated[Path | None, typer.Option(help="Write here instead of stdout.")] = None,
    ledger_url: Url = None,
    password_file: PasswordFile = None,
) -> None:
    """Write records out, oldest first; savings are sums by workload and day or hour (UTC)."""
    from console import ledger_export as exporting

    form = require_format(output, (exporting.CSV, exporting.JSON_LINES))
    _require(what, exporting.WHAT, "WHAT")
    _require(period, tuple(exporting.PERIODS), "--period")
    given = {
        "namespace": namespace,
        "workload": workload,
        "node": node,
        "reason": reason,
        "rule": rule,
        "model": model,
    }
    wanted = exporting.Wanted(
        what=what,
        since_seconds=_moment(since, "--since"),
        until_seconds=_moment(until, "--until"),
        options={name: value for name, value in given.items() if value is not None},
        period=period,
    )
    with _opened(ledger_url, password_file) as opened:
        now_seconds = datetime.now(UTC).timestamp()
        count = exporting.export(opened, wanted, form, file, now_seconds)
    if file is not None:
        say(f"written: {file} ({count} records)")


@ledger.command()
def vacuum(
    days: Annotated[
        float | None, typer.Option(help="Delete decisions whose pods ended so many days ago.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Keep so many decisions; those of ended pods go first.")
    ] = None,
    dry_run: DryRun = False,  # noqa: FBT002 - an option is never positional
    output: Output = TABLE,
    ledger_url: Url = None,
    password_file: PasswordFile = None,
) -> None:
    """Sum what has ended, delete what is too old or too many, and give the space back."""
    from ledger.retention import Retention, require_bound

    form = require_format(output, (TABLE, JSON))
    require_bound(days, where="--days")
    require_bound(rows, where="--rows")
    keep = Retention(days_max=days, rows_max=rows)
    with _opened(ledger_url, password_file) as opened:
        before = opened.size_bytes()
        now_seconds = datetime.now(UTC).timestamp()
        done = _tidied(opened, keep, now_seconds, dry_run=dry_run)
        after = None if dry_run else opened.size_bytes()
    if form == JSON:
        sizes = {"before_bytes": before, "after_bytes": after}
        typer.echo(json_text({"dry_run": dry_run, **done, **sizes}))
    else:
        _show_tidied(done, before, after)


@ledger.command()
def migrate(
    to: Annotated[
        str | None, typer.Option(help="Go back to this revision; `base` drops everything.")
    ] = None,
    yes: Annotated[  # noqa: FBT002 - same
        bool, typer.Option("--yes", help="Go back although what only newer revisions hold is lost.")
    ] = False,
    dry_run: DryRun = False,  # noqa: FBT002 - same
    output: Output = TABLE,
    ledger_url: Url = None,
    password_file: PasswordFile = None,
) -> None:
    """Show the schema's revision and bring it to the newest, or back to an older one."""
    from ledger import migration

    form = require_format(output, (TABLE, JSON))
    database = _database(ledger_url, password_file)
    try:
        present, newest = database.revision(), migration.newest()
        if to is None or to == newest:
            lost: tuple[str, ...] = ()
            if not database.is_newest() and not dry_run:
                database.upgrade()
        else:
            lost = database.lost_by(to)
            _require_consent(lost, yes=yes or dry_run)
            if not dry_run:
                database.downgrade(to)
        now = database.revision()
    finally:
        database.close()
    found = {"before": present, "now": now, "newest": newest, "target": to or newest}
    if form == JSON:
        typer.echo(json_text({"dry_run": dry_run, **found, "lost": list(lost)}))
        return
    typer.echo(_migrated(database.where, present, now, newest))
    if dry_run and (to or newest) != present:
        typer.echo(f"would go to {to or newest}" + "".join(f"; lost: {each}" for each in lost))


def _require(word: str, allowed: tuple[str, ...], where: str) -> None:
    if word not in allowed:
        raise InputError(f"not {word!r:.40}", where=where, mend=f"use {', '.join(allowed)}")


def _moment(text: str | None, where: str) -> float | None:
    """Unix seconds of what a person gave as a time; without a zone it is UTC."""
    if text is None:
        return None
    mend = "give 2026-11-22, 2026-11-22T08:00 or Unix seconds"
    if len(text) == len("20261122") and text.isdecimal():
        raise InputError(f"{text} may be a date or a time of 1970", where=where, mend=mend)
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if isfinite(seconds):
            return seconds
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"no time: {text!r:.40}", where=where, mend=mend) from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


def _place(url: str | None) -> str:
    from extender.settings import NO_LEDGER, default_ledger_url

    if url == NO_LEDGER:
        raise InputError(
            "the extender keeps no ledger", where=URL_VARIABLE, mend="give --ledger-url"
        )
    return url or default_ledger_url()


def _opened(url: str | None, password_file: Path | None) -> Ledger:
    from ledger.store import Ledger

    return Ledger.open(_place(url), create=False, migrate=False, password_file=password_file)


def _database(url: str | None, password_file: Path | None) -> Database:
    from ledger.database import Database
    from ledger.dialect import Patience

    place = _place(url)
    return Database.open(place, create=False, patience=Patience(), password_file=password_file)


def _tidied(
    opened: Ledger, keep: Retention, now_seconds: float, *, dry_run: bool
) -> dict[str, int]:
    """Rows by what was done with them, over all rounds."""
    if dry_run:
        return _rows(opened.would_tidy(keep, now_seconds=now_seconds))
    total: dict[str, int] = {}
    with stderr().status("tidying") as status:
        more = True
        while more:
            done = opened.tidy(keep, now_seconds=now_seconds)
            more = done.more
            total = {name: total.get(name, 0) + rows for name, rows in _rows(done).items()}
            status.update(f"tidying: {total['summed']} summed, {total['decisions']} deleted")
        status.update("giving space back")
        opened.compact()
    return total


def _rows(done: Tidied) -> dict[str, int]:
    return {
        "summed": done.summed,
        "decisions": done.decisions,
        "predictions": done.predictions,
        "actions": done.actions,
        "forecast_errors": done.forecast_errors,
        "savings": done.savings,
    }


def _show_tidied(done: dict[str, int], before: int, after: int | None) -> None:
    from rich.table import Table

    heading = "rows" if after is not None else "rows, if it were done"
    table = Table("", heading, box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for name, rows in done.items():
        words = name.replace("_", " ")
        table.add_row("decisions summed" if name == "summed" else f"{words} deleted", f"{rows:,}")
    stdout().print(table)
    sizes = f"{before / 1e6:,.1f} MB"
    typer.echo(f"size: {sizes}" + ("" if after is None else f", now {after / 1e6:,.1f} MB"))


def _require_consent(lost: tuple[str, ...], *, yes: bool) -> None:
    if lost and not yes:
        raise InputError(
            f"this drops for good {'; '.join(lost)}", where="--to", mend="add --yes to do it"
        )


def _migrated(where: str, present: str | None, now: str | None, newest: str | None) -> str:
    line = f"{where}: revision {now or 'none'}, newest {newest}"
    return line if present == now else f"{line} (was {present or 'none'})"
