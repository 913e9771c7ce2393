"""The connection to one Kubernetes API server: credentials, paced requests, pages and watches.

Objects are handed on as the JSON that the server sent: the library's model classes refuse a whole
page for one object that their schema does not foresee, where `cluster.kube.convert` names the
object and goes on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from types import MappingProxyType
from typing import TypeAlias

from kubernetes.client import ApiClient, Configuration, CoreV1Api, VersionApi
from kubernetes.watch import Watch
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import ReadTimeoutError

from cluster.kube.credentials import load_credentials
from cluster.kube.errors import KubeRequest, UnreadableAnswerError, translating
from cluster.kube.pacing import TokenBucket
from cluster.kube.settings import KubeSettings

JsonObject: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of object that can be listed and watched across the cluster.

    Attributes:
        plural: its name in RBAC rules.
        endpoint: returns the generated list call of the official client.
        group: its API group, empty for the core group.
        field_selector: what the server leaves out before it sends anything.
    """

    plural: str
    endpoint: Callable[[ApiClient], Callable[..., object]]
    group: str = ""
    field_selector: str = ""


NODES = Resource(plural="nodes", endpoint=lambda api: CoreV1Api(api).list_node)
# A finished pod holds nothing on its node; kube-scheduler's own informer leaves them out alike.
UNFINISHED_PODS = Resource(
    plural="pods",
    endpoint=lambda api: CoreV1Api(api).list_pod_for_all_namespaces,
    field_selector="status.phase!=Succeeded,status.phase!=Failed",
)
NAMESPACES = Resource(plural="namespaces", endpoint=lambda api: CoreV1Api(api).list_namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list; `continue_token` is empty on the last one."""

    items: tuple[JsonObject, ...]
    resource_version: str
    continue_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """One line of a watch: ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""

    kind: str
    item: JsonObject


class WatchStream:
    """An open watch: iterate over it; `close` ends it from any thread.

    Attributes:
        opened: the server has accepted the watch.
        silent: it ended because the server said nothing for longer than allowed.
    """

    def __init__(
        self, call: Callable[..., object], request: KubeRequest, options: JsonObject
    ) -> None:
        self.opened = self.silent = False
        self._call = call
        self._request = request
        self._watch = Watch()
        self._events = self._watch.stream(self._open, **options)

    def __iter__(self) -> Iterator[WatchEvent]:
        """Yield events until the watch ends; raise KubeError when it breaks."""
        try:
            while True:
                with translating(self._request):
                    event = self._next()
                if event is None:
                    return
                yield event
        finally:
            # Whoever leaves in the middle gives the connection back now, not at the next
            # collection of garbage.
            self._events.close()

    def close(self) -> None:
        """End the watch. The iterating thread returns; a second call does nothing."""
        self._watch.stop()

    def _open(self, **options: object) -> object:
        # A bare method: the library reads a generated call's docstring to find a model class,
        # and would then build it for every event.
        response = self._call(**options)
        self.opened = True
        return response

    def _next(self) -> WatchEvent | None:
        try:
            event = next(self._events)
        except StopIteration:
            return None
        except ReadTimeoutError:
            if not self.opened:
                raise
            self.silent = True
            return None
        except (KeyError, TypeError, AttributeError) as error:  # the library trusts the stream
            raise UnreadableAnswerError(f"an event without {error}") from error
        if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
            raise UnreadableAnswerError("an event that is not a JSON object")
        return WatchEvent(kind=str(event.get("type")), item=event["object"])


@dataclass(slots=True, kw_only=True)
class KubeClient:
    """A connected client. Safe to share between threads."""

    api: ApiClient
    server: str
    settings: KubeSettings
    bucket: TokenBucket
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    lock: Lock = field(default_factory=Lock)

    def server_version(self) -> str:
        """Return the server's version, such as `v1.36.4`. Raises KubeError."""
        request = KubeRequest(server=self.server, verb="get", resource="version")
        call = VersionApi(self.api).get_code
        version = self.ask(call, request)
        return str(version.get("gitVersion", ""))

    def pages(self, resource: Resource, *, page_objects_max: int) -> Iterator[Page]:
        """List every object, a page at a time, as of one moment. Raises KubeError.

        When the server has compacted that moment away between two pages it answers 410
        (GoneError): start again.
        """
        request = self._request("list", resource)
        call = resource.endpoint(self.api)
        token = ""
        while True:
            options: JsonObject = {"limit": page_objects_max, **_selection(resource)}
            if token:
                options["_continue"] = token
            with translating(request):
                page = _page(self.ask(call, request, options))
            yield page
            token = page.continue_token
            if not token:
                return

    def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        lasting_seconds: int,
        silence_seconds_max: float,
        opened: Callable[[], None] = lambda: None,
    ) -> WatchStream:
        """Follow a resource from a resource version on, for so long at most.

        `opened` is called when the server has accepted the watch, before any event. The request
        itself is sent at the first iteration.
        """
        call = resource.endpoint(self.api)

        def paced(**options: object) -> object:
            self._pace()
            response = call(**options)
            opened()
            return response

        options: JsonObject = {
            "resource_version": resource_version,
            "allow_watch_bookmarks": True,
            "timeout_seconds": lasting_seconds,
            "_request_timeout": (self.settings.connect_timeout_seconds, silence_seconds_max),
            **_selection(resource),
        }
        return WatchStream(paced, self._request("watch", resource), options)

    def ask(
        self,
        call: Callable[..., object],
        request: KubeRequest,
        options: Mapping[str, object] = MappingProxyType({}),
        *,
        read_timeout_seconds: float | None = None,
    ) -> JsonObject:
        """Make one request of the generated client, paced, and return its JSON object.

        `read_timeout_seconds` shortens the settings' own timeouts, for an answer that is worth
        nothing later. Raises KubeError.
        """
        self._pace()
        connect_seconds = self.settings.connect_timeout_seconds
        read_seconds = self.settings.read_timeout_seconds
        if read_timeout_seconds is not None:
            read_seconds = min(read_seconds, read_timeout_seconds)
            connect_seconds = min(connect_seconds, read_timeout_seconds)
        timeouts = (connect_seconds, read_seconds)
        with translating(request):
            response = call(_preload_content=False, _request_timeout=timeouts, **options)
            if not isinstance(response, BaseHTTPResponse):
                raise UnreadableAnswerError(f"no HTTP response but {type(response).__name__}")
            body = json.loads(response.data)
            if not isinstance(body, dict):
                raise UnreadableAnswerError("no JSON object")
            return body

    def close(self) -> None:
        """Close the idle connections."""
        self.api.close()

    def _request(self, verb: str, resource: Resource) -> KubeRequest:
        return KubeRequest(
            server=self.server, verb=verb, resource=resource.plural, group=resource.group
        )

    def _pace(self) -> None:
        with self.lock:
            wait_seconds = self.bucket.take_wait_seconds(self.monotonic())
        if wait_seconds > 0:
            self.sleep(wait_seconds)


def connect(
    settings: KubeSettings,
    *,
    environment: Mapping[str, str] = os.environ,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> KubeClient:
    """Load credentials and return a client; nothing is sent yet.

    Raises:
        KubeconfigError: no kubeconfig, a broken one, or an unknown context (exit code 2).
    """
    configuration = Configuration()
    load_credentials(configuration, settings, environment)
    # Without it an idle watch through a load balancer dies unnoticed.
    configuration.keep_alive = True
    # Every further try belongs to the caller, who waits between them and can be stopped: left to
    # itself, urllib3 would sleep out a Retry-After of any length.
    configuration.retries = False
    api = ApiClient(configuration)
    api.user_agent = "negawatt"
    bucket = TokenBucket.full(
        per_second=settings.requests_per_second_max,
        burst=settings.requests_burst_max,
        now_seconds=monotonic(),
    )
    return KubeClient(
        api=api,
        server=str(configuration.host),
        settings=settings,
        bucket=bucket,
        monotonic=monotonic,
        sleep=sleep,
    )


def _selection(resource: Resource) -> JsonObject:
    return {"field_selector": resource.field_selector} if resource.field_selector else {}


def _page(body: JsonObject) -> Page:
    metadata, items = body.get("metadata"), body.get("items")
    if not isinstance(metadata, dict) or not isinstance(items, list):
        raise UnreadableAnswerError("a list without metadata or items")
    if not all(isinstance(item, dict) for item in items):
        raise UnreadableAnswerError("a list of things that are not objects")
    return Page(
        items=tuple(items),
        resource_version=str(metadata.get("resourceVersion", "")),
        continue_token=str(metadata.get("continue") or ""),
    )
