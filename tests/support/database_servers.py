"""A real MariaDB and a real PostgreSQL on loopback, each in a folder of its own until a block ends.

`durable` keeps the servers' own settings, which write every commit to the disk; without it they
are as quick as tests want them. Root and the ledger's user have passwords; TLS is offered where a
certificate is given.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from certificates import Pair

from simulator.sandbox.ports import LOOPBACK, accepts, free_ports

READY_SECONDS_MAX = 60.0
USER = "negawatt"
_POSTGRESQL_FOLDERS = Path("/usr/lib/postgresql")
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
_PREFIX = "negawatt-database-"
_ROOM_BYTES = 2 * 1024**3
_NUMBERS = count()


@cache
def mariadb_programs() -> Mapping[str, str]:
    """Return where `mariadbd` and `mariadb-install-db` are; "" for what is not there."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    names = ("mariadbd", "mariadb-install-db")
    return {name: shutil.which(name, path=path) or "" for name in names}


@cache
def postgresql_programs() -> Mapping[str, str]:
    """Return where the newest `postgres` and its `initdb` are; "" for what is not there."""
    folders = sorted(
        _POSTGRESQL_FOLDERS.glob("*/bin"), key=lambda each: float(each.parent.name), reverse=True
    )
    path = os.pathsep.join((*map(str, folders), os.environ.get("PATH", os.defpath)))
    return {name: shutil.which(name, path=path) or "" for name in ("postgres", "initdb")}


@dataclass
class DatabaseServer:
    """A server's process, and what a test does to it."""

    kind: str
    scheme: str
    port: int
    command: list[str]
    folder: Path
    administrator: sa.URL
    ending: signal.Signals
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    process: subprocess.Popen[bytes] | None = None
    _engines: dict[str | None, sa.Engine] = field(default_factory=dict)

    def url(
        self, database: str, user: str = USER, password: str | None = None, **query: str
    ) -> str:
        """Return the URL of a database, for the ledger's user and password."""
        url = sa.URL.create(
            self.scheme,
            username=user,
            password=self.password if password is None else password,
            host=LOOPBACK,
            port=self.port,
            database=database,
            query=query,
        )
        return url.render_as_string(hide_password=False)

    def run(self, *statements: str, database: str | None = None) -> list[Any]:
        """Run statements as the administrator; return the rows of the last."""
        rows: list[Any] = []
        with self._engine(database).connect() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement)
                rows = list(result.all()) if result.returns_rows else []
        return rows

    def _engine(self, database: str | None) -> sa.Engine:
        """Keep engines, which ask the server at first what it is; each run connects anew."""
        if database not in self._engines:
            url = self.administrator.set(database=database or self.administrator.database)
            # On a socket of its own: PyMySQL reads all authorities of the system for TLS each time.
            words = {"ssl_disabled": True} if self.kind == "mariadb" else {}
            self._engines[database] = sa.create_engine(
                url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=words
            )
        return self._engines[database]

    def create_database(self) -> str:
        """Make an empty database of the ledger's user, and return its name."""
        name = f"ledger_{next(_NUMBERS)}"
        self.run(*self._creation(name))
        return name

    @contextmanager
    def database(self) -> Iterator[str]:
        """Give the name of an empty database of the ledger's user, until the block ends."""
        name = self.create_database()
        try:
            yield name
        finally:
            force = " WITH (FORCE)" if self.kind == "postgresql" else ""
            self.run(f"DROP DATABASE IF EXISTS {name}{force}")

    def empty(self, database: str, tables: list[str]) -> None:
        """Take all rows out of tables."""
        if self.kind == "postgresql":
            self.run(f"TRUNCATE {', '.join(tables)}", database=database)
        else:
            self.run(*(f"DELETE FROM {table}" for table in tables), database=database)  # noqa: S608

    def _creation(self, name: str) -> tuple[str, ...]:
        if self.kind == "postgresql":
            return (f"CREATE DATABASE {name} OWNER {USER} STRATEGY FILE_COPY",)
        grant = f"GRANT ALL ON {name}.* TO {USER}@'%%'"
        # What a table of ours must not take over from its database.
        return (f"CREATE DATABASE {name} CHARACTER SET latin1 COLLATE latin1_swedish_ci", grant)

    def _accepts_at_socket(self) -> bool:
        """Whether the administrator's socket, if it is one, is there: MariaDB makes it last."""
        path = self.administrator.query.get("unix_socket")
        if path is None:
            return True
        with socket.socket(socket.AF_UNIX) as asked:
            return asked.connect_ex(str(path)) == 0

    def start(self) -> None:
        """Start the process; return when it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            # Asked first at the port: PyMySQL loses a socket where nobody listens.
            with suppress(sa.exc.DBAPIError):
                if accepts(self.port) and self._accepts_at_socket():
                    self.run("SELECT 1")
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """End the process at once, as a crash would, but for what it keeps outside its folder."""
        assert self.process is not None
        self.process.send_signal(self.ending)
        try:
            self.process.wait(READY_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process and its children from running: they keep connections and are silent."""
        assert self.process is not None
        stopped = [self.process.pid]
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            for child in _children(self.process.pid):
                os.kill(child, signal.SIGSTOP)
                stopped.append(child)
            yield
        finally:
            for number in stopped:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGCONT)


def _children(number: int) -> list[int]:
    listed = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii")
    return [int(each) for each in listed.split()]


@contextmanager
def mariadb(*, durable: bool = False, tls: Pair | None = None) -> Iterator[DatabaseServer]:
    """Run MariaDB until the block ends."""
    programs = mariadb_programs()
    with _folder(durable=durable) as folder:
        quick = () if durable else _MARIADB_QUICK
        options = [
            "--no-defaults",
            f"--user={pwd.getpwuid(os.geteuid()).pw_name}",
            f"--datadir={folder / 'data'}",
            f"--socket={folder / 'socket'}",
            *quick,
        ]
        install = [programs["mariadb-install-db"], *options, "--skip-test-db"]
        _checked([*install, "--auth-root-authentication-method=normal"])
        (port,) = free_ports(1)
        server = DatabaseServer(
            kind="mariadb",
            scheme="mysql+pymysql",
            port=port,
            command=[
                *_ends_with_us("KILL"),
                programs["mariadbd"],
                *options,
                f"--bind-address={LOOPBACK}",
                f"--port={port}",
                "--skip-name-resolve",
                *_mariadb_tls(tls),
            ],
            folder=folder,
            administrator=sa.URL.create(
                "mysql+pymysql", "root", database="mysql", query={"unix_socket": f"{folder}/socket"}
            ),
            ending=signal.SIGKILL,
        )
        with _running(server):
            server.run(f"CREATE USER {USER}@'%%' IDENTIFIED BY '{server.password}'")
            yield server


_MARIADB_QUICK = (
    "--innodb-flush-log-at-trx-commit=2",  # a killed server keeps what was committed
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--sync-frm=0",
)


def _mariadb_tls(pair: Pair | None) -> tuple[str, ...]:
    if pair is None:
        return ()
    return (f"--ssl-cert={pair.certificate}", f"--ssl-key={pair.key}")


@contextmanager
def postgresql(*, durable: bool = False, tls: Pair | None = None) -> Iterator[DatabaseServer]:
    """Run PostgreSQL until the block ends; as user `postgres` or `nobody` where we are root."""
    programs = postgresql_programs()
    with _folder(durable=durable) as folder:
        account = _account()
        password = secrets.token_hex(8)
        (folder / "password").write_text(password)
        pair = _copied(tls, folder)
        _give(folder, account)
        data = folder / "data"
        _checked(
            [
                *_as(account, None),
                programs["initdb"],
                *("-D", str(data), "-U", "postgres", f"--pwfile={folder / 'password'}"),
                # Sorts as people do, not by the signs' numbers: what depends on that is found.
                *("--locale-provider=icu", "--icu-locale=en", "--locale=C", "--encoding=UTF8"),
                *("--auth=scram-sha-256", "--no-sync"),
            ]
        )
        (port,) = free_ports(1)
        settings = {
            "port": port,
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": folder,
            **({} if durable else _POSTGRESQL_QUICK),
        }
        if pair is not None:
            settings |= {"ssl": "on", "ssl_cert_file": pair.certificate, "ssl_key_file": pair.key}
        server = DatabaseServer(
            kind="postgresql",
            scheme="postgresql+psycopg",
            port=port,
            command=[
                *_as(account, "QUIT"),
                programs["postgres"],
                *("-D", str(data)),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            folder=folder,
            administrator=sa.URL.create(
                "postgresql+psycopg", "postgres", password, LOOPBACK, port, "postgres"
            ),
            ending=signal.SIGQUIT,
        )
        with _running(server):
            server.run(f"CREATE ROLE {USER} LOGIN PASSWORD '{server.password}'")
            yield server


_POSTGRESQL_QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


@contextmanager
def _folder(*, durable: bool) -> Iterator[Path]:
    # Of its own, not pytest's: another user has to come in. MariaDB waits for the disk at each
    # change of a schema, whatever it is told; memory answers at once.
    in_memory = not durable and _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    roomy = in_memory and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    where = _MEMORY if roomy else Path(tempfile.gettempdir())
    _remove_abandoned(where)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=where))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def _remove_abandoned(where: Path) -> None:
    """Remove what a killed run of tests left: its servers died with it, its folders did not."""
    for folder in where.glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(server: DatabaseServer) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop()


def _ends_with_us(name: str) -> list[str]:
    """Let the kernel end the process with this signal should we be killed."""
    return ["setpriv", "--pdeathsig", name]


def _account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _as(account: pwd.struct_passwd | None, ending: str | None) -> list[str]:
    command = ["setpriv"] if ending is None else _ends_with_us(ending)
    if account is None:
        return command if ending else []
    owner = (f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    return [*command, *owner]


def _give(folder: Path, account: pwd.struct_passwd | None) -> None:
    if account is not None:
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)


def _copied(pair: Pair | None, folder: Path) -> Pair | None:
    """Copy a key to where PostgreSQL's user may read it, and nobody else."""
    if pair is None:
        return None
    copied = Pair(folder / "server.crt", folder / "server.key")
    shutil.copyfile(pair.certificate, copied.certificate)
    shutil.copyfile(pair.key, copied.key)
    copied.key.chmod(0o600)
    return copied


def _checked(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
