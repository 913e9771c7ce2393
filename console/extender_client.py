"""Asks a running extender; whatever goes wrong is one line with a way to mend it."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from pydantic import BaseModel, ValidationError

from energy.errors import InputError, UnavailableError

TIMEOUT_SECONDS = 10.0
UNAUTHORIZED, NOT_FOUND = 401, 404
START = "start it with `negawatt extender run`, or name it with --url"

M = TypeVar("M", bound=BaseModel)


class Client:
    """One extender, by its URL."""

    def __init__(
        self, url: str, *, token_file: Path | None = None, ca_file: Path | None = None
    ) -> None:
        """Prepare; nothing is asked yet.

        Raises:
            InputError: no HTTP URL, or a file that cannot be used.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InputError(
                f"{url!r} is no URL", where="--url", mend="give one such as http://127.0.0.1:10380"
            )
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {_token(token_file)}"} if token_file else {}
        # No proxy of the environment: the extender is in the cluster or on this machine.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_trust(ca_file))
        )

    def get(self, path: tuple[str, ...], **query: str) -> Any:  # noqa: ANN401 - JSON
        """The JSON at a path, whose parts may have any characters.

        Raises:
            InputError: there is no such pod, or a token is needed.
            UnavailableError: nothing listens there, or what does is no extender of ours.
        """
        target = "/".join([self._url, *(quote(part, safe="") for part in path)])
        if query:
            target += f"?{urlencode(query)}"
        request = urllib.request.Request(target, headers=self._headers)  # noqa: S310 - checked above
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
            raise UnavailableError(
                f"no extender answers ({said})", where=self._url, mend=START
            ) from None
        except ValueError:
            raise self._stranger() from None

    def read(self, model: type[M], found: object) -> M:
        """What was found, as a value.

        Raises:
            UnavailableError: it is something else; most likely the extender is another version.
        """
        try:
            return model.model_validate(found)
        except ValidationError:
            raise self._stranger() from None

    def _refused(self, error: urllib.error.HTTPError) -> InputError | UnavailableError:
        line = _said(error)
        if line is None:
            return self._stranger()
        if error.code == UNAUTHORIZED:
            return InputError(line, where=self._url, mend="name its file with --token-file")
        if error.code == NOT_FOUND:
            return InputError(line, where=self._url, mend="see `kubectl get pods --all-namespaces`")
        return UnavailableError(f"{line} ({error.code})", where=self._url)

    def _stranger(self) -> UnavailableError:
        return UnavailableError(
            "what answers there is no extender of this version", where=self._url, mend=START
        )


def _said(error: urllib.error.HTTPError) -> str | None:
    """The extender's own line; None if it is not the extender that answers."""
    try:
        said = json.load(error)["error"]
    except (ValueError, KeyError, TypeError, OSError):
        return None
    return str(said)


def _token(file: Path) -> str:
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not plain text"
        raise InputError(f"cannot be read ({why})", where=str(file)) from None
    if not token or not token.isprintable():
        raise InputError("holds no token", where=str(file), mend="give the extender's --token-file")
    return token


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        raise InputError(
            f"holds no CA certificates ({error.strerror or error})", where=str(ca_file)
        ) from None
