"""The only door to Prometheus: queries, each within its time, and errors in one line.

prometheus-api-client does the asking. Left to itself it would retry three times with growing
waits, follow redirects with the token in hand, read an answer of any size for any time, and drop
the server's own words; `_BoundedSession` sees to those.
"""

from __future__ import annotations

import json
import math
import os
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

import numpy as np
import requests
import urllib3.exceptions
from prometheus_api_client.prometheus_connect import PrometheusConnect
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from typing_extensions import override
from urllib3.util.retry import Retry

from energy.errors import InputError, UnavailableError
from telemetry.sample import RangeSeries, Sample

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
_PIECE_BYTES: Final = 256 * 1024
_WORDS_MAX: Final = 300
_MATCHER: Final = r'[a-zA-Z_][a-zA-Z0-9_]*\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"'
_MATCHERS: Final = re.compile(rf"(?:\s*{_MATCHER}\s*(?:,\s*{_MATCHER}\s*)*)?", re.ASCII)

#: What Prometheus says to a query that reads more than `--query.max-samples`.
_TOO_MUCH: Final = "too many samples"
#: To one that is none.
_NO_PROMQL: Final = "parse error"
#: To one that takes longer than `timeout=` or its own `--query.timeout`.
_LATE: Final = "query timed out"

#: Thanos answers from the stores that it reaches, unless it is told not to.
_WHOLE: Final = {"partial_response": "false"}

Kind = Literal[
    "unreachable", "timed-out", "refused", "failing", "denied", "not-prometheus", "too-large"
]

#: Nobody is there who would answer us; whatever is asked next fares alike.
GONE: Final[frozenset[Kind]] = frozenset({"unreachable", "not-prometheus", "denied"})
#: The same query may be answered in a while.
PASSING: Final[frozenset[Kind]] = frozenset({"timed-out", "failing"})


def whole_matchers(matchers: str) -> str:
    """Return label matchers as they are put into queries, without braces.

    Raises:
        ValueError: they are none, or more than that.
    """
    if not _MATCHERS.fullmatch(matchers):
        raise ValueError('give label matchers such as cluster="prod",env!="test"')
    return matchers.strip()


class PrometheusSettings(BaseModel):
    """One Prometheus (or Thanos, Mimir, VictoriaMetrics), one identity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    """`http://host:9090`, with the path prefix if there is one, without /api/v1."""

    bearer_token_file: Path | None = None
    """A file with a token, read anew at every query, because mounted tokens are replaced."""

    username: str = ""
    """For basic authentication; empty: none."""

    password: SecretStr = SecretStr("")
    """For basic authentication."""

    ca_file: Path | None = None
    """Certificates to trust; unset: the system's."""

    timeout_seconds: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 5.0
    """How long one query may take, from the first byte sent to the last received."""

    matchers: str = ""
    """Label matchers added to every query, such as `cluster="prod"`."""

    rate_window_seconds: Annotated[int, Field(ge=2, le=3600)] = 300
    """In which the last two scrapes of a counter are looked for: twice the interval or more."""

    @field_validator("url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("no such port; give 1 to 65535, or none") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("give an address such as http://prometheus:9090")
        if port == 0:
            raise ValueError("no such port; give 1 to 65535, or none")
        if parts.username or parts.password:
            raise ValueError("no password in the address, it would be logged; give username")
        if parts.query or parts.fragment:
            raise ValueError("give the address alone, without ? or #")
        return url.rstrip("/").removesuffix("/api/v1")

    @field_validator("matchers")
    @classmethod
    def _whole_matchers(cls, matchers: str) -> str:
        return whole_matchers(matchers)

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if self.username and self.bearer_token_file:
            raise ValueError("give username or bearer_token_file, not both")
        return self


class PrometheusError(UnavailableError):
    """A query that brought no result; `kind` says whether anybody was there at all.

    `refused` is the query's own fault, and stays (400). `failing` is the server's: its storage, a
    store behind it that is away, too many queries at once. `denied` is ours: a token that is not
    taken, a login page. `too-large` is what a query for less, or a shorter time, may bring.
    """

    def __init__(self, what: str, *, where: str, mend: str, kind: Kind) -> None:
        super().__init__(what, where=where, mend=mend)
        self.kind = kind


class Prometheus:
    """A Prometheus server that answers queries. For one thread at a time."""

    def __init__(
        self, settings: PrometheusSettings, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare the connection; nothing is sent yet.

        Raises:
            InputError: there is no such CA file.
        """
        self.settings = settings
        self.queries_total = 0
        """Queries that have ended, well or not."""
        auth = (settings.username, settings.password.get_secret_value())
        options: dict[str, Any] = {"auth": auth} if settings.username else {}
        self._headers = {"User-Agent": "negawatt"}
        self._connection = PrometheusConnect(
            url=settings.url,
            headers=self._headers,
            session=_BoundedSession(settings, monotonic),
            retry=Retry(0, read=False),  # no second try, and a time-out stays a time-out
            **options,
        )

    def query(self, query: str, *, at_seconds: float | None = None) -> tuple[Sample, ...]:
        """Return the elements of an instant vector, as of Prometheus' own present.

        Args:
            query: PromQL that gives a vector.
            at_seconds: as of this Unix time instead, and whole or not at all.

        Raises:
            PrometheusError: no answer, a refusal in the server's words, no Prometheus, or a token
                file that cannot be read.
        """
        params = self._limits()
        if at_seconds is not None:
            params |= {"time": repr(at_seconds)} | _WHOLE
        with self._translating():
            self._authorise()
            elements = self._connection.custom_query(query, params=params)
            return tuple(_sample(element) for element in _listed(elements))

    def query_range(
        self, query: str, *, first_seconds: int, last_seconds: int, step_seconds: int
    ) -> tuple[RangeSeries, ...]:
        """Return each series' values at the first time and every step up to the last one.

        One request, so 11,000 points a series at most; `telemetry.prometheus_range` asks for more
        than that in pages. What is no number (NaN, Inf) is left out: absent, never 0.

        Raises:
            PrometheusError: as with `query`; `too-large` for an answer beyond our limit or theirs.
        """
        with self._translating():
            self._authorise()
            elements = self._connection.custom_query_range(
                query,
                datetime.fromtimestamp(first_seconds, UTC),
                datetime.fromtimestamp(last_seconds, UTC),
                str(step_seconds),
                params=self._limits() | _WHOLE,
            )
            return tuple(_range_series(element) for element in _listed(elements))

    def _limits(self) -> dict[str, str]:
        # Prometheus gives up, too, instead of working for nobody.
        return {"timeout": f"{math.ceil(self.settings.timeout_seconds * 1000)}ms"}

    def _authorise(self) -> None:
        if self.settings.bearer_token_file:
            token = _secret(self.settings.bearer_token_file)
            self._headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the idle connections."""
        self._connection.close()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Let nothing out but PrometheusError."""
        url = self.settings.url
        try:
            yield
        except _RefusedError as error:
            raise PrometheusError(
                str(error), where=url, mend=error.mend, kind=error.kind
            ) from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise PrometheusError(
                f"no answer within {self.settings.timeout_seconds:g} s",
                where=url,
                mend="see whether it is overloaded, or allow more time",
                kind="timed-out",
            ) from error
        except (ValueError, KeyError, TypeError) as error:  # requests' JSONDecodeError, too
            raise PrometheusError(
                "what answers is no Prometheus, or the query gives no vector",
                where=url,
                mend=_MENDS["not-prometheus"],
                kind="not-prometheus",
            ) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise PrometheusError(
                f"cannot be reached: {_cause(error)}",
                where=url,
                mend="check the address, and that Prometheus runs",
                kind="unreachable",
            ) from error
        finally:
            self.queries_total += 1


class _RefusedError(Exception):
    """An answer that is not a success."""

    def __init__(self, what: str, *, mend: str, kind: Kind) -> None:
        super().__init__(what)
        self.mend = mend
        self.kind = kind


class _BoundedSession(requests.Session):
    """A session whose answers are bounded in time and size, and never lead elsewhere."""

    def __init__(self, settings: PrometheusSettings, monotonic: Callable[[], float]) -> None:
        super().__init__()
        # A .netrc would silently replace the token, and a proxy would see it.
        self.trust_env = False
        self._timeout_seconds = settings.timeout_seconds
        self._monotonic = monotonic
        if settings.ca_file:
            _require_certificates(settings.ca_file)
            self.verify = str(settings.ca_file)

    @override
    def request(self, *args: Any, **options: Any) -> requests.Response:
        """Make one request and read its whole answer; raise _RefusedError if it is none."""
        deadline = self._monotonic() + self._timeout_seconds
        options |= {
            "timeout": self._timeout_seconds,
            "stream": True,
            "allow_redirects": False,
        }
        with super().request(*args, **options) as response:
            # requests' own reading waits for each piece anew, and so for ever.
            response._content = self._body(response, deadline)  # noqa: SLF001
            _refuse_failure(response)
            return response

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        pieces, size = [], 0
        while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > ANSWER_BYTES_MAX:
                raise _RefusedError(
                    f"the answer is larger than {ANSWER_BYTES_MAX // 2**20} MiB",
                    mend="narrow the queries with matchers",
                    kind="too-large",
                )
            if self._monotonic() > deadline:
                raise requests.Timeout
        return b"".join(pieces)


def _require_certificates(ca_file: Path) -> None:
    if not ca_file.is_file():
        raise InputError("no such CA file", where=str(ca_file), mend="check the path")
    try:
        ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"cannot be used for TLS ({why})",
            where=str(ca_file),
            mend="give CA certificates as PEM",
        ) from None


def _refuse_failure(response: requests.Response) -> None:
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    if response.is_redirect:
        raise _RefusedError(
            f"it sends us elsewhere ({status})",
            mend="give the final address; a login page in between needs a token",
            kind="denied",
        )
    words, error_type = _words(response)
    kind = _failure_kind(status, words, error_type)
    mend = "correct the query" if _NO_PROMQL in words else _MENDS.get(kind, _MEND)
    raise _RefusedError(f"answered {status}: {words}", mend=mend, kind=kind)


_MEND: Final = "check the address, and the matchers and the window of the queries"
_MENDS: Final[dict[Kind, str]] = {
    "denied": "give bearer_token_file, or username and password, that may query",
    "too-large": "narrow the queries with matchers",
    "timed-out": "see whether it is overloaded, or allow more time",
    "failing": "see its own log",
    "not-prometheus": "give the address of a Prometheus, under which /api/v1/query answers",
}


def _failure_kind(status: int, words: str, error_type: str | None) -> Kind:
    """What kind of failure that is; the type is None where Prometheus' API did not say it.

    Types and statuses: `respondError` in Prometheus' web/api/v1/api.go. Thanos and Mimir give
    their own with the same types, VictoriaMetrics the status as the type.
    """
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return "denied"
    if status == HTTPStatus.GATEWAY_TIMEOUT or error_type == "timeout" or _LATE in words:
        return "timed-out"
    if error_type is None and status == HTTPStatus.NOT_FOUND:
        return "not-prometheus"
    if error_type is None:
        # A proxy before it, or something else altogether.
        return "unreachable" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "failing"
    if _TOO_MUCH in words:
        return "too-large"
    return "refused" if status == HTTPStatus.BAD_REQUEST else "failing"


def _words(response: requests.Response) -> tuple[str, str | None]:
    """Return what the server said, and of which type Prometheus' API says that is, if it did."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    found = body if isinstance(body, dict) and body.get("error") else {}
    words = " ".join(str(found.get("error") or response.reason or "no reason given").split())
    return words[:_WORDS_MAX], str(found.get("errorType", "")) if found else None


def _listed(elements: object) -> list[Any]:
    if not isinstance(elements, list):
        raise TypeError("its result is no list")
    return elements


def _range_series(element: object) -> RangeSeries:
    """Read `{"metric": {...}, "values": [[time, "number"], ...]}`; raise ValueError, TypeError."""
    if not isinstance(element, dict) or not isinstance(element.get("metric"), dict):
        raise TypeError("an element without labels")
    labels = element["metric"]  # nobody else holds it
    name = labels.pop("__name__", "")
    # A native histogram has no numbers, unless it was none at some time.
    points = element.get("values", ()) if "histograms" in element else element["values"]
    at_seconds = np.array([point[0] for point in points], dtype=np.float64).round()
    values = np.array([point[1] for point in points], dtype=np.float64)
    numbers = np.isfinite(values)
    return RangeSeries(
        name=name,
        labels=labels,
        at_seconds=at_seconds[numbers].astype(np.int64),
        values=values[numbers],
    )


def _sample(element: object) -> Sample:
    """Read `{"metric": {...}, "value": [time, "number"]}`; raise ValueError or TypeError."""
    if not isinstance(element, dict) or not isinstance(element.get("metric"), dict):
        raise TypeError("an element without labels")
    labels = element["metric"]  # nobody else holds it
    labels.pop("__name__", None)
    at_seconds, text = element["value"]
    number = float(text)
    return Sample(
        labels=labels,
        value=number if math.isfinite(number) else None,
        evaluated_at_seconds=float(at_seconds),
    )


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "is no token"
        raise _RefusedError(
            f"{path}: {why.lower()}", mend="give a readable token file", kind="denied"
        ) from error


def _cause(error: BaseException) -> str:
    """Say in a few words why there was no answer; the libraries' own sentences run to lines."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, urllib3.exceptions.NameResolutionError):
            return "its name does not resolve"
        if isinstance(link, urllib3.exceptions.SSLError):
            return "its certificate cannot be verified, or it speaks no TLS"
        if isinstance(link, OSError) and link.errno:
            return os.strerror(link.errno).lower()
        if isinstance(link, HTTPException):
            return "it closes the connection, or speaks no HTTP"
        reason = getattr(link, "reason", None)
        first = next(iter(link.args), None)
        nested = reason if isinstance(reason, BaseException) else first
        cause = link.__cause__ or link.__context__
        link = nested if isinstance(nested, BaseException) else cause
    return "the connection broke"
