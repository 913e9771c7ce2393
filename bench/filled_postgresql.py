"""A PostgreSQL of our own on loopback, and a ledger in it that is filled inside the server.

Root starts the server as the user `postgres`, everyone else as themselves. Settings are the
server's own, durable ones; only `shared_buffers` and what filling needs differ.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.progress import track

from ledger.rollup import DAY_SECONDS, HOUR_SECONDS, hour_of
from ledger.store import Ledger
from ledger.tables import DECISIONS

SHARED_BUFFERS = "2GB"
START = 1_790_000_000 // DAY_SECONDS * DAY_SECONDS
DAYS = 30
END = START + DAYS * DAY_SECONDS
NAMESPACES, WORKLOADS_EACH, NODES = 50, 40, 1000
CHUNK_ROWS = 250_000

#: Ever fewer pods from one namespace, workload and node to the next; every tenth workload's name is
#: in all namespaces. One pod in fifty lives for days, the others two hours on average.
_FILL = """
INSERT INTO placement_decisions (
    decided_at_seconds, mode, namespace, pod, uid, workload_kind, workload_name, scheduler_name,
    node_chosen, node_preferred, chosen_watts, preferred_watts, forgone_watts, rule, reason,
    reason_kind, candidate_count, runner_up_node, runner_up_watts, load_source, load_age_seconds,
    cpu_millicores, memory_bytes, needs_source, candidates, ended_at_seconds, summed_at_seconds)
SELECT decided, 'observe', 'team-' || team, workload || '-7d9f8b6c5-' || i, md5(i::text)::uuid,
    'Deployment', workload, 'default-scheduler', node,
    CASE kind WHEN 'no-preference' THEN NULL WHEN 'preferred' THEN node ELSE better END,
    5 + forgone, CASE kind WHEN 'no-preference' THEN NULL WHEN 'unknown' THEN NULL ELSE 5 END,
    CASE WHEN kind IN ('no-preference', 'unknown') THEN NULL ELSE forgone END,
    CASE WHEN i % 1000 = 0 THEN 'fill-cost' ELSE 'negawatt' END,
    better || ' has the best rank by negawatt: class r750 costs least for this pod, 3.0 W a core;'
        || ' next comes worker-0002, rank 1: class r640, 3.1 W a core',
    kind, 500, 'worker-0002', 6, 'prometheus', 7.5, 500, 1073741824, 'requests',
    json_build_array(
        json_build_object('node', better, 'rank', 0, 'cost', 5, 'watts', 5,
                          'source', 'prometheus', 'age_seconds', 7.5),
        json_build_object('node', 'worker-0002', 'rank', 1, 'cost', 6, 'watts', 6,
                          'source', 'prometheus', 'age_seconds', 7.5),
        json_build_object('node', node, 'rank', 2, 'cost', 5 + forgone, 'watts', 5 + forgone,
                          'source', 'requests', 'age_seconds', NULL)),
    CASE WHEN ended <= {end} THEN ended END,
    CASE WHEN ended < {hour} THEN {end}::float END
FROM (SELECT i, decided, team, node, better, kind,
        decided + lived AS ended,
        CASE WHEN w < 4 THEN 'web-' || w ELSE 'app-' || team || '-' || w END AS workload,
        CASE kind WHEN 'dearer' THEN watts WHEN 'cheaper' THEN -watts ELSE 0 END AS forgone
    FROM (SELECT i, {start} + {days} * 86400.0 * (i + random()) / {rows} AS decided,
            floor({namespaces} * power(random(), 3))::int AS team,
            floor({workloads} * power(random(), 2))::int AS w,
            'worker-' || lpad(floor({nodes} * power(random(), 1.5))::int::text, 4, '0') AS node,
            'worker-' || lpad(floor({nodes} * random())::int::text, 4, '0') AS better,
            -ln(1 - random()) * CASE WHEN i % 50 = 0 THEN 172800 ELSE 7200 END AS lived,
            10 * random() AS watts,
            CASE WHEN r < .6 THEN 'preferred' WHEN r < .93 THEN 'dearer'
                 WHEN r < .96 THEN 'cheaper' WHEN r < .98 THEN 'equal'
                 WHEN r < .995 THEN 'unknown' ELSE 'no-preference' END AS kind
        FROM (SELECT i, random() AS r FROM generate_series({first}, {last}) AS i) AS numbers
    ) AS drawn
) AS pods
"""

_SUM = """
INSERT INTO savings
SELECT {period}, start, namespace, workload_kind, workload_name,
    count(*) FILTER (WHERE decided_at_seconds >= start),
    count(*) FILTER (WHERE decided_at_seconds >= start AND forgone_watts IS NULL),
    count(*) FILTER (WHERE decided_at_seconds < start),
    count(*) FILTER (WHERE decided_at_seconds < start AND forgone_watts IS NULL),
    sum(until - since), sum(coalesce(forgone_watts, 0) * (until - since)), min(since), max(until)
FROM (SELECT *, greatest(decided_at_seconds, start) AS since,
        least(ended_at_seconds, start + {period}) AS until
    FROM placement_decisions,
        generate_series(floor(decided_at_seconds / {period})::bigint * {period},
                        ceil(ended_at_seconds / {period})::bigint * {period} - 1,
                        {period}) AS start
    WHERE summed_at_seconds IS NOT NULL) AS pieces
GROUP BY start, namespace, workload_kind, workload_name
ORDER BY start
"""

_JOULES = "SELECT sum(coalesce(forgone_watts, 0) * (until - decided_at_seconds)) FROM (SELECT *,"
_JOULES += f" coalesce(ended_at_seconds, {END}) AS until FROM placement_decisions) AS pods"


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run PostgreSQL with its data in a folder until the block ends; give a URL."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        raise SystemExit("no PostgreSQL; on Debian: apt-get install postgresql")
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    folder.mkdir(parents=True, exist_ok=True)
    if user:
        shutil.chown(folder, "postgres", "postgres")
    data, initdb = folder / "data", programs[-1] / "initdb"
    if not (data / "PG_VERSION").exists():
        command = [initdb, "--pgdata", data, "--auth=trust", "--username=ledger", "--encoding=UTF8"]
        command += ["--locale=C.UTF-8"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        "shared_buffers": SHARED_BUFFERS,
        "max_wal_size": "2GB",
        "maintenance_work_mem": "512MB",
    }
    command = [programs[-1] / "postgres", "-D", data]
    command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **user)
    url = f"postgresql://ledger@127.0.0.1:{port}/postgres"
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    engine = sa.create_engine(_driver(url), poolclass=sa.NullPool)
    while process.poll() is None:
        with suppress(sa.exc.OperationalError), engine.connect():
            return
        time.sleep(0.2)
    raise SystemExit("PostgreSQL did not start; see its log in the folder")


def _driver(url: str) -> str:
    return url.replace("postgresql:", "postgresql+psycopg:", 1)


def fill(url: str, rows: int) -> sa.Engine:
    """Have a ledger of so many rows there, sums and all; one that is there already stays."""
    Ledger.open(url).close()
    engine = sa.create_engine(_driver(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        there = connection.scalar(sa.select(sa.func.count()).select_from(DECISIONS))
        if there == rows:
            return engine
        if there:
            raise SystemExit(f"the folder holds {there} rows: give --rows {there}, or another one")
        run = connection.exec_driver_sql
        for index in DECISIONS.indexes:
            index.drop(connection)
        run("SELECT setseed(0.25)")
        chunks = range(0, rows, CHUNK_ROWS)
        on = Console(stderr=True)
        for first in track(chunks, "rows", console=on, disable=not sys.stderr.isatty()):
            run(_fill_text(first, min(first + CHUNK_ROWS, rows) - 1, rows))
        run("SET work_mem = '512MB'")
        for period in (HOUR_SECONDS, DAY_SECONDS):
            run(_SUM.format(period=period))
        for index in DECISIONS.indexes:
            index.create(connection)
        run("VACUUM ANALYZE")
        run("CHECKPOINT")
    return engine


def _fill_text(first: int, last: int, rows: int) -> str:
    text = _FILL.format(
        first=first,
        last=last,
        rows=rows,
        start=START,
        days=DAYS,
        end=END,
        hour=hour_of(END),
        namespaces=NAMESPACES,
        workloads=WORKLOADS_EACH,
        nodes=NODES,
    )
    return text.replace("%", "%%")


def facts(engine: sa.Engine) -> dict[str, object]:
    """Version, rows and bytes: what the figures are of."""
    asked = {
        "postgresql": "SHOW server_version",
        "shared_buffers": "SHOW shared_buffers",
        "rows": "SELECT count(*) FROM placement_decisions",
        "rows_by_themselves": "SELECT count(*) FROM placement_decisions"
        " WHERE summed_at_seconds IS NULL",
        "savings_rows": "SELECT count(*) FROM savings",
        "table_bytes": "SELECT pg_table_size('placement_decisions')",
        "index_bytes": "SELECT pg_indexes_size('placement_decisions')",
        "savings_bytes": "SELECT pg_total_relation_size('savings')",
    }
    with engine.connect() as connection:
        return {name: connection.exec_driver_sql(text).scalar() for name, text in asked.items()}


def joules_of_rows(engine: sa.Engine) -> float:
    """Sum energy over all rows, as if there were no sums: what these must agree with."""
    with engine.connect() as connection:
        return float(connection.exec_driver_sql(_JOULES).scalar() or 0.0)
