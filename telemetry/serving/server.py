"""uvicorn, as the callers of a service need it: kept-alive connections, certificates, a drain."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from energy.errors import InputError, NegawattError, UnavailableError
from telemetry.serving.access import CERTIFICATE, Guard, require_guarded
from telemetry.serving.given_settings import TlsFiles
from telemetry.serving.replies import Receive, Scope, Send

# Go closes idle connections after 90 s. Were we first, a question could meet a closing connection.
KEEP_ALIVE_SECONDS = 120
SHUTDOWN_SECONDS = 5
BACKLOG = 128
_log = logging.getLogger(__name__)


class Listening(Guard, TlsFiles, Protocol):
    """Where a service listens, for whom, and how it ends."""

    @property
    def port(self) -> int: ...  # noqa: D102 - see the class
    @property
    def drain_seconds(self) -> float: ...  # noqa: D102


class App(Protocol):
    """An ASGI application that says it is not ready while it drains."""

    draining: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""


class CertificateProtocol(HttpToolsProtocol):
    """Tells the application whether the caller showed a certificate that our CA signed."""

    _certified = False

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # With CERT_OPTIONAL a bad certificate ends the handshake; here it is a good one or none.
        self._certified = bool(transport.get_extra_info("peercert"))

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._certified:
            self.scope["extensions"] = {CERTIFICATE: {}}


class Server(uvicorn.Server):
    """Says where it listens; after SIGTERM goes on for a while, so that callers learn of it."""

    def __init__(
        self,
        app: App,
        settings: Listening,
        listening: Callable[[str], None] = lambda _url: None,
    ) -> None:
        super().__init__(configuration(app, settings))
        self._app = app
        self._drain_seconds = settings.drain_seconds
        self._listening = listening
        self._shown_host = f"[{settings.host}]" if ":" in settings.host else settings.host

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        scheme = "https" if self.config.is_ssl else "http"
        for one in sockets or []:
            self._listening(f"{scheme}://{self._shown_host}:{one.getsockname()[1]}")

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            try:
                yield
            finally:
                # A service that was asked to end has done so: it does not die of the signal too.
                self._captured_signals.clear()

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or not self._drain_seconds or self._app.draining:
            super().handle_exit(sig, frame)
            return
        self._app.draining = True
        _log.info("draining for %g s", self._drain_seconds)
        loop = asyncio.get_running_loop()
        loop.call_later(self._drain_seconds, super().handle_exit, sig, frame)


async def serve(
    app: App,
    settings: Listening,
    listening: Callable[[str], None],
    listener: socket.socket | None = None,
) -> None:
    """Answer until SIGTERM or SIGINT; ``listening`` is told the URL once callers can connect.

    The event loop should be uvloop's: `asyncio.Runner(loop_factory=uvloop.new_event_loop)`.
    ``listener`` is what `bound` gave to who does nothing before the port is its own; it is closed.

    Raises:
        InputError: strangers could ask, or a TLS file does not do.
        UnavailableError: the port is taken, or the address is not ours.
    """
    server = Server(app, settings, listening)
    with listener or bound(settings) as own:
        await server.serve(sockets=[own])


def bound(settings: Listening) -> socket.socket:
    """A listening socket; on `::` it takes IPv4 as well.

    Raises:
        InputError: a TLS file does not do.
        UnavailableError: it cannot be had.
    """
    _require_tls_files(settings)
    is_v6 = ":" in settings.host
    try:
        return socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if is_v6 else socket.AF_INET,
            backlog=BACKLOG,
            dualstack_ipv6=settings.host == "::",
        )
    except OSError as error:
        # The library adds the address to the system's words, as a tuple.
        reason = (error.strerror or str(error)).partition(" (while attempting")[0]
        raise UnavailableError(
            f"cannot listen there ({reason})",
            where=f"{settings.host}:{settings.port}",
            mend="end what listens there, or choose another --port; 0 takes any",
        ) from None


def configuration(app: App, settings: Listening) -> uvicorn.Config:
    """One worker, no access log, no header that a proxy could set.

    Raises:
        InputError: strangers could ask (`access.require_guarded`), or a TLS file does not do.
    """
    require_guarded(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=CertificateProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        ssl_ca_certs=str(settings.tls_client_ca_file) if settings.tls_client_ca_file else None,
        # Optional, so that a kubelet without a certificate can ask for health; `access` decides.
        ssl_cert_reqs=ssl.CERT_OPTIONAL if settings.tls_client_ca_file else ssl.CERT_NONE,
    )
    _require_tls_files(settings)
    config.load()
    return config


def _require_tls_files(settings: TlsFiles) -> None:
    if settings.tls_cert_file is None:
        return
    ca_file = settings.tls_client_ca_file
    try:
        # As uvicorn does; what needs a password would be asked for on a terminal.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password="")
        if ca_file is not None:
            context.load_verify_locations(str(ca_file))
    except (OSError, ValueError) as error:
        files = (settings.tls_cert_file, settings.tls_key_file, ca_file)
        raise InputError(
            f"cannot be used for TLS ({getattr(error, 'strerror', None) or error})",
            where=", ".join(str(file) for file in files if file),
            mend="give PEM files: a certificate, its key, a CA",
        ) from None


def serve_alone(service: str, work: Callable[[], None]) -> None:
    """What `python -m` does: work until told to stop; one line and exit 1 or 2 on an error."""
    log_to_stderr()
    try:
        work()
    except NegawattError as error:
        print(f"{service}: {error}", file=sys.stderr)  # noqa: T201 - its only line
        sys.exit(2 if isinstance(error, InputError) else 1)


def say_where(url: str) -> None:
    """Tell whoever started the service, and waits for this line."""
    print(f"listening on {url}", flush=True)  # noqa: T201 - it is the answer to the command


def log_to_stderr() -> None:
    """A line per event worth telling; requests are counted, not logged."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("alembic", "kafka", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
