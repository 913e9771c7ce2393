"""Makes kafka-python's clients from our settings."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from kafka.net.compat import KafkaNetClient

from energy.errors import InputError, UnavailableError
from telemetry.kafka.failures import unavailable
from telemetry.kafka.own_log import keep_to_itself
from telemetry.kafka.refusals import ABSENT, Refusals, heard, refusal
from telemetry.kafka.settings import KafkaSettings
from telemetry.kafka.sockets import DIRECT_URL, tls_socket

C = TypeVar("C")

MILLISECONDS: Final = 1000
#: Who is refused by all servers for so long is told so; a slow connection has its full time.
PATIENCE_SECONDS: Final = 2.0
#: A broker that comes back is found within two seconds, not within thirty.
RECONNECT_MILLISECONDS_MAX: Final = 2000
_ASKED: Final = "bootstrap_brokers"


def connected(kind: Callable[..., C], settings: KafkaSettings, **options: object) -> C:
    """Make a client that has reached a broker.

    Raises:
        UnavailableError: none is reached, or none lets us in.
        InputError: a file of the settings cannot be read.
    """
    configuration = client_options(settings)
    made: list[Any] = []
    with keep_to_itself().left_to_caller(), heard() as refusals:

        def remembered(**given: object) -> object:
            client = KafkaNetClient(**given)
            made.append(client)
            _stop_where_hopeless(client.cluster, settings, refusals)
            return client

        try:
            client = kind(**configuration, kafka_client=remembered, **options)
        except (KafkaError, OSError, RuntimeError) as error:
            # It leaves its thread and sockets behind; without a broker we come here often.
            for each in made:
                each.close()
            said = refusal(settings, refusals.errors)
            raise said or _no_answer(error, settings) from None
    for each in made:
        vars(each.cluster).pop(_ASKED, None)  # from now on it goes on by itself, whatever comes
    return client


def _stop_where_hopeless(cluster: Any, settings: KafkaSettings, refusals: Refusals) -> None:  # noqa: ANN401 - ships no types
    """Have a client give up before its time once each server has refused it for a while.

    It asks for the servers before each attempt; who waits for it tries again and can say why.
    """
    servers, began = cluster.bootstrap_brokers, time.monotonic()

    def asked() -> Any:  # noqa: ANN401
        is_patient = time.monotonic() - began < PATIENCE_SECONDS
        if not is_patient and not cluster.brokers() and refusals.servers >= len(settings.servers):
            raise KafkaConnectionError("each server refuses us")
        return servers()

    vars(cluster)[_ASKED] = asked


def _no_answer(error: BaseException, settings: KafkaSettings) -> UnavailableError:
    if isinstance(error, KafkaTimeoutError):
        return UnavailableError("no answer in time", where=settings.where, mend=ABSENT)
    return unavailable(error, settings.where)


def administrator(settings: KafkaSettings) -> Any:  # noqa: ANN401 - ships no types
    """Make a client that creates and describes topics; close it.

    Raises:
        UnavailableError: no broker is reached, or none lets us in.
    """
    return connected(
        KafkaAdminClient,
        settings,
        request_timeout_ms=int(settings.request_seconds * MILLISECONDS),
    )


def client_options(settings: KafkaSettings) -> dict[str, object]:
    """Give what all kinds of client are told.

    Raises:
        InputError: a file cannot be read.
    """
    options: dict[str, object] = {
        "bootstrap_servers": list(settings.servers),
        "client_id": settings.client_id,
        "bootstrap_timeout_ms": int(settings.connect_seconds * MILLISECONDS),
        "reconnect_backoff_max_ms": RECONNECT_MILLISECONDS_MAX,
        "proxy_url": DIRECT_URL,
    }
    protocol = "SSL" if settings.speaks_tls else "PLAINTEXT"
    if settings.speaks_tls:
        options["ssl_context"] = _tls_context(settings)
    if settings.sasl_mechanism is not None and settings.sasl_password_file is not None:
        protocol = f"SASL_{protocol}"
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_user
        options["sasl_plain_password"] = _secret(settings.sasl_password_file)
    return {**options, "security_protocol": protocol}


def _tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    flags = ("ca", "cert", "key")
    files = (settings.tls_ca_file, settings.tls_cert_file, settings.tls_key_file)
    for flag, file in zip(flags, files, strict=True):
        if file is not None:
            _text(file, f"--kafka-tls-{flag}-file")
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca_file)
        context.sslsocket_class = tls_socket(settings.connect_seconds)
        if settings.tls_cert_file is not None and settings.tls_key_file is not None:
            # Without a password for the key one would be asked for, on the terminal.
            context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password="")
    except (OSError, ssl.SSLError, ValueError) as error:
        named = ", ".join(str(each) for each in files if each is not None)
        raise InputError(
            f"cannot be used for TLS ({getattr(error, 'strerror', None) or error})",
            where=named or "the system's certificates",
            mend="give PEM files: a CA, a certificate and its key, which has no password",
        ) from None
    return context


def _secret(file: Path) -> str:
    secret = _text(file, "--kafka-sasl-password-file").rstrip("\r\n")
    if not secret:
        raise InputError("is empty", where=str(file), mend="it must hold the password")
    return secret


def _text(file: Path, flag: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "is no text"
        raise InputError(why.lower(), where=str(file), mend=f"give a readable {flag}") from None
