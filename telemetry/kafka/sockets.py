"""Closes the socket of a connection that fails, which kafka-python 3.0.12 leaves to the collector.

While a broker is away its clients try for as long as it takes, many times a minute; every trial
would leave a socket open until Python next looks for cycles.
"""

from __future__ import annotations

import ssl
from typing import Any, ClassVar, Final

from kafka.net.inet import KafkaNetSocket
from typing_extensions import override

#: kafka-python picks the class of its sockets by the scheme of `proxy_url`.
DIRECT: Final = "direct"
DIRECT_URL: Final = f"{DIRECT}://"


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
    """A socket whose failed handshake closes it."""

    @override
    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise  # it goes on once the broker has said more
        except BaseException:
            self.close()
            raise
