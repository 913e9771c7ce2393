"""Closes the socket of a connection that fails, which kafka-python 3.0.12 leaves to the collector.

While a broker is away its clients try for as long as it takes, many times a minute; every trial
would leave a socket open until Python next looks for cycles. And it waits for the end of a TLS
handshake without a limit: after a broker that hangs it would never connect again.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from functools import cache
from threading import Timer
from typing import Any, ClassVar, Final

from kafka.net.inet import KafkaNetSocket
from typing_extensions import override

#: kafka-python picks the class of its sockets by the scheme of `proxy_url`.
DIRECT: Final = "direct"
DIRECT_URL: Final = f"{DIRECT}://"
HANDSHAKE_SECONDS_MAX: Final = 10.0


class DirectSocket(KafkaNetSocket):  # type: ignore[misc] # ships no types
    """Connects to the broker itself, through no proxy."""

    SCHEMES: ClassVar = (DIRECT,)

    async def sock_connect(self, net: Any, sock: Any, *where: Any, **limits: Any) -> Any:  # noqa: ANN401
        """Connect; whatever ends it otherwise, also the client's end, closes the socket."""
        try:
            return await super().sock_connect(net, sock, *where, **limits)
        except BaseException:
            sock.close()
            raise


class TlsSocket(ssl.SSLSocket):
    """A socket whose handshake ends in time, and closes it where it fails."""

    handshake_seconds: ClassVar = HANDSHAKE_SECONDS_MAX
    _limit: Timer | None = None
    _is_late = False

    @override
    def do_handshake(self, block: bool = False) -> None:
        if self._limit is None:
            self._limit = Timer(self.handshake_seconds, self._end)
            self._limit.daemon = True
            self._limit.start()
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise  # it goes on once the broker has said more
        except BaseException:
            self.close()
            if self._is_late:
                raise TimeoutError("the handshake took too long") from None
            raise
        self._limit.cancel()

    @override
    def close(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
        super().close()

    def _end(self) -> None:
        """Rouse whoever waits for the broker: it tries once more, and finds no connection."""
        self._is_late = True
        with suppress(OSError):
            socket.socket.shutdown(self, socket.SHUT_RDWR)


@cache
def tls_socket(connect_seconds: float) -> type[TlsSocket]:
    """Make the class of a client's sockets: no handshake outlasts its time to connect.

    One for all clients with that time: a class is left to Python's collector of cycles, too.
    """

    class Limited(TlsSocket):
        handshake_seconds = min(HANDSHAKE_SECONDS_MAX, connect_seconds)

    return Limited
