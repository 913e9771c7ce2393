"""What the Kubernetes API can answer instead of what was asked for.

The client library's exceptions stop here; callers see only this tree:

* energy.errors.UnavailableError
  x KubeError                   a request failed; `transient` says whether asking again may help
    + UnreachableError          no answer: refused, timed out, TLS, a broken stream, 5xx
    + TooManyRequestsError      429; carries `retry_after_seconds`
    + GoneError                 410: the resource version is too old; list again
    + ConflictError             409: somebody else changed the object; read it again
    + NotFoundError             404
    + UnauthorizedError         401: the server does not know who we are
    + ForbiddenError            403: it knows, and says no; names the rule to add
    + RejectedError             400, 422 and the rest: the request itself is wrong
    + UnexpectedError           a fault of ours, which an informer survives and reports
* energy.errors.InputError
  x KubeconfigError             a kubeconfig that cannot be used
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from json import JSONDecodeError
from typing import ClassVar

import urllib3.exceptions
from kubernetes.client.exceptions import ApiException, OpenApiException
from kubernetes.config import ConfigException

from energy.errors import InputError, UnavailableError

# What the API server writes in a 403; the words around the name have been stable since 1.8.
_DENIED_USER = re.compile(r'User "(?P<user>[^"]+)"')
# What it writes when admission refuses what RBAC allows: policies and webhooks say the first, its
# own plugins (NodeRestriction, quotas) refuse in RBAC's words, and name no user.
_DENIED_BY_ADMISSION = re.compile("denied|is forbidden: ")
# A server under load asks for seconds. Whatever asks for a day is wrong, and the copy would be a
# day old.
RETRY_AFTER_SECONDS_MAX = 300.0
_FOLLOWING = ("list", "watch")
_SERVICE_ACCOUNT = re.compile(r"system:serviceaccount:(?P<namespace>[^:]+):(?P<name>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeRequest:
    """Who is asked for what, in RBAC's own words, so that an error can name the missing rule.

    Attributes:
        server: the API server's address.
        verb: get, list, watch, create, update, patch or delete.
        resource: the plural, with a subresource after a slash (`pods/eviction`).
        group: the API group, empty for the core group.
        namespace: empty for the whole cluster.
        name: one object's name, if the request names one.
    """

    server: str
    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def spoken(self) -> str:
        """The request as a person would say it: `list pods`."""
        target = f"{self.resource}.{self.group}" if self.group else self.resource
        if self.name:
            target += f" {self.namespace}/{self.name}" if self.namespace else f" {self.name}"
        elif self.namespace:
            target += f" in namespace {self.namespace}"
        return f"{self.verb} {target}"


class KubeError(UnavailableError):
    """A request to the Kubernetes API that failed."""

    transient: ClassVar[bool] = False
    """Whether the same request may succeed later without anybody changing anything."""


class UnreachableError(KubeError):
    """No answer, or an answer from a server in trouble."""

    transient = True


class TooManyRequestsError(KubeError):
    """The server sheds load."""

    transient = True

    def __init__(self, what: str, *, where: str, mend: str, retry_after_seconds: float) -> None:
        super().__init__(what, where=where, mend=mend)
        self.retry_after_seconds = retry_after_seconds


class GoneError(KubeError):
    """The history that the request starts from has been compacted away."""

    transient = True


class ConflictError(KubeError):
    """The object has changed since it was read, or exists already."""


class NotFoundError(KubeError):
    """No such object, or no such API on this server."""


class UnauthorizedError(KubeError):
    """The credentials are missing, expired or unknown."""


class ForbiddenError(KubeError):
    """The credentials are known and lack a permission."""


class RejectedError(KubeError):
    """The server understood the request and found it wrong."""


class UnexpectedError(KubeError):
    """Something in this program failed while it dealt with an answer."""

    transient = True


class UnreadableAnswerError(Exception):
    """An answer that is not what the API promises; `translating` makes it an UnreachableError."""


class KubeconfigError(InputError):
    """A kubeconfig, context or in-cluster environment that cannot be used."""


@contextmanager
def translating(request: KubeRequest) -> Iterator[None]:
    """Let only this module's errors out of the block that talks to the API server."""
    try:
        yield
    except ApiException as error:
        raise translate(error, request) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _unreachable(_cause(error), request) from error
    except ConfigException as error:  # the library renews expiring tokens before a request
        why = " ".join(str(error).split())
        raise UnauthorizedError(
            f"cannot {request.spoken}: the credentials cannot be renewed ({why})",
            where=request.server,
            mend=_RENEW,
        ) from error
    except (OpenApiException, UnreadableAnswerError, JSONDecodeError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise _unreachable(f"the answer cannot be read ({why})", request) from error


def translate(error: ApiException, request: KubeRequest) -> KubeError:
    """Return our error for an HTTP answer that is not a success.

    Status 0 is how the client library reports a failed TLS handshake.
    """
    status = int(error.status or 0)
    message = _message(error)
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(message, request)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return TooManyRequestsError(
            f"cannot {request.spoken}: the API server sheds load",
            where=request.server,
            mend="lower requests_per_second_max, or look at its flow schemas (APF)",
            retry_after_seconds=_retry_after_seconds(error.headers),
        )
    if status == 0 or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unreachable(message or f"answered {status}", request)
    kind, mend = _BY_STATUS.get(status, (RejectedError, "this looks like a fault of ours"))
    return kind(f"cannot {request.spoken}: {message or status}", where=request.server, mend=mend)


_RENEW = "renew the credentials of this context (kubectl --context … get nodes must work)"
_BY_STATUS: Mapping[int, tuple[type[KubeError], str]] = {
    HTTPStatus.UNAUTHORIZED: (UnauthorizedError, _RENEW),
    HTTPStatus.NOT_FOUND: (NotFoundError, "check the name, or that this API is installed"),
    HTTPStatus.CONFLICT: (ConflictError, "read it again and retry"),
    HTTPStatus.GONE: (GoneError, "list again"),
}


def _forbidden(message: str, request: KubeRequest) -> ForbiddenError:
    """Name who lacks what, and the rule that grants it; or what admission objects to."""
    denied = _DENIED_USER.search(message)
    if denied is None and _DENIED_BY_ADMISSION.search(message):
        return ForbiddenError(
            f"cannot {request.spoken}: {message}",
            where=request.server,
            mend="this account's rights are enough; an admission plugin, policy or webhook says no",
        )
    user = denied["user"] if denied else "the current user"
    account = _SERVICE_ACCOUNT.fullmatch(user)
    subject = (
        f"ServiceAccount {account['namespace']}/{account['name']}" if account else f"user {user}"
    )
    # Whoever lists follows: naming only what was refused would bring the next refusal at once.
    verbs = _FOLLOWING if request.verb in _FOLLOWING else (request.verb,)
    kind = f"Role in namespace {request.namespace}" if request.namespace else "ClusterRole"
    return ForbiddenError(
        f"{subject} may not {request.spoken}",
        where=request.server,
        mend=f'bind to it a {kind} with the rule {{apiGroups: ["{request.group}"], '
        f'resources: ["{request.resource}"], verbs: {json.dumps(verbs)}}}',
    )


def _unreachable(why: str, request: KubeRequest) -> UnreachableError:
    return UnreachableError(
        f"cannot {request.spoken}: {why}",
        where=request.server or "Kubernetes API",
        mend="check that the API server runs and that the kubeconfig names it",
    )


def _message(error: ApiException) -> str:
    """Return the sentence of the `Status` object in the body, else the HTTP reason."""
    try:
        status = json.loads(error.body or "")
    except ValueError:
        status = None
    message = status.get("message") if isinstance(status, dict) else None
    return str(message or error.reason or "")


def _retry_after_seconds(headers: Mapping[str, str] | None) -> float:
    """Read Retry-After in seconds, bounded; one second when it is missing, a date or nonsense."""
    try:
        wished_seconds = float((headers or {}).get("Retry-After", "1"))
    except ValueError:
        return 1.0
    if math.isnan(wished_seconds):
        return 1.0
    return min(max(0.0, wished_seconds), RETRY_AFTER_SECONDS_MAX)


def _cause(error: BaseException) -> str:
    """Say in a few words why there was no answer; urllib3's own sentences run to three lines."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        error = reason
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "its name does not resolve"
    for link in _chain(error):
        if isinstance(link, OSError) and link.errno:
            return os.strerror(link.errno).lower()
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return "it did not answer in time"
    return f"the connection broke ({type(error).__name__})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what caused it."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
