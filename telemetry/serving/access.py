"""Who may ask what: health is for everybody, the rest for loopback, a certificate or a token.

Whoever reaches a service learns what runs where, so off loopback every caller shows a
client certificate that our CA signed, or a bearer token. Only the address of the connection counts:
headers that a proxy may set are never read.

On loopback nobody shows anything, and a browser on this machine is on loopback whatever page it
shows: a page whose name somebody's DNS points at 127.0.0.1 could read what we answer. So reports
are answered there under names of ours alone.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from energy.errors import InputError

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
CERTIFICATE = "negawatt.client_certificate"
TOKEN_BYTES_MIN = 16
#: How long a token counts before its file is looked at again: strangers must not cost a look each.
LOOK_SECONDS = 1.0
# Not all of 127.0.0.0/8: a service mesh delivers what strangers send from 127.0.0.6.
LOCAL = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})


class Guard(Protocol):
    """What of a service's settings says who may ask it."""

    @property
    def host(self) -> str: ...  # noqa: D102 - see the class
    @property
    def token_file(self) -> Path | None: ...  # noqa: D102
    @property
    def tls_client_ca_file(self) -> Path | None: ...  # noqa: D102


class Token:
    """A secret in a file, looked at once a second at most, so that a mounted Secret can rotate."""

    def __init__(self, file: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._file, self._monotonic = file, monotonic
        self._looked_at = float("-inf")
        self._stamp: tuple[int, int, int] | None = None
        self._value = b""

    def value(self) -> bytes:
        """The token; empty if the file cannot be read or is too short to be a secret."""
        now = self._monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._value if len(self._value) >= TOKEN_BYTES_MIN else b""

    def _look(self) -> None:
        try:
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp != self._stamp:
                self._value, self._stamp = self._file.read_bytes().strip(), stamp
        except OSError:
            self._value, self._stamp = b"", None

    def refusal(self, given: bytes | None) -> str | None:
        """Why a caller's token does not do; None if it does."""
        if given is None:
            return "a token is needed; send the header `Authorization: Bearer TOKEN`"
        expected = self.value()
        if not expected:
            return (
                f"the service's token file cannot be read, or holds less than {TOKEN_BYTES_MIN} "
                "bytes; mend the file, no restart is needed"
            )
        if not hmac.compare_digest(given, expected):
            return "the token is wrong; send the one in the service's --token-file"
        return None


class Access:
    """Answers whether a request may be answered."""

    def __init__(self, token: Token | None = None, names: Collection[str] = ()) -> None:
        """``names`` are hosts that this service is asked by, besides `localhost` and addresses."""
        self._token = token
        self._names = frozenset({"localhost", *(name.lower() for name in names)})

    @classmethod
    def from_settings(cls, settings: Guard, allowed_origins: Iterable[str] = ()) -> Access:
        """The rules that the settings ask for; hosts of allowed origins are names of ours."""
        hosts = (urlsplit(origin).hostname for origin in allowed_origins)
        token = Token(settings.token_file) if settings.token_file else None
        return cls(token, (settings.host, *filter(None, hosts)))

    def refusal(self, scope: Mapping[str, Any]) -> str | None:
        """Why an ASGI request is refused, in one line that says how to mend it; None if not."""
        client = scope.get("client")
        if client and client[0] in LOCAL:
            return None
        if scope["path"] in OPEN_PATHS or CERTIFICATE in scope.get("extensions", {}):
            return None
        if self._token is None:
            return "no token is configured; start the service with --token-file, or ask locally"
        return self._token.refusal(_bearer(scope["headers"]))

    def foreign_host(self, scope: Mapping[str, Any]) -> str | None:
        """Why a local request is refused for the name that it was sent to; None if it is not.

        Who shows a token or a certificate is no page of somebody else. A request without a `Host`
        comes from no browser.
        """
        client = scope.get("client")
        if scope["path"] in OPEN_PATHS or not client or client[0] not in LOCAL:
            return None
        header = next((value for name, value in scope["headers"] if name == b"host"), b"")
        if not header or self._is_ours(header.decode("latin-1")):
            return None
        if CERTIFICATE in scope.get("extensions", {}):
            return None
        token = _bearer(scope["headers"])
        if token is not None and self._token is not None and not self._token.refusal(token):
            return None
        return (
            f"{ascii(header.decode('latin-1'))[1:-1]:.100} is no name of this service; ask by "
            "127.0.0.1 or localhost, or send a token"
        )

    def _is_ours(self, header: str) -> bool:
        try:
            host = urlsplit(f"//{header}").hostname
        except ValueError:  # such as `[`
            return False
        return host is not None and (host in self._names or is_address(host))


def is_address(host: str) -> bool:
    """Whether a host is an IP address, which no DNS can point elsewhere."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone; a name that is not `localhost` is not."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def require_guarded(settings: Guard) -> None:
    """Refuse to listen where strangers can ask, unless something tells them from friends.

    Raises:
        InputError: off loopback without a token and without a client CA, or a token too short.
    """
    if settings.token_file is not None and not Token(settings.token_file).value():
        raise InputError(
            f"holds no token of {TOKEN_BYTES_MIN} bytes or more, or cannot be read",
            where=str(settings.token_file),
            mend="`openssl rand -hex 32` makes one",
        )
    if is_loopback(settings.host) or settings.token_file or settings.tls_client_ca_file:
        return
    raise InputError(
        f"{settings.host} can be reached by others, and nothing tells them apart",
        where="--host",
        mend="add --token-file or --tls-client-ca-file, or listen on 127.0.0.1",
    )


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip()
    return None
