"""What a trial writes to a control plane that is its own: namespaces, nodes, pods, and their end.

The credentials are those of the control plane's kubeconfig.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from cluster.kube.client import KubeClient
from cluster.kube.errors import KubeRequest, translating
from energy.errors import UnavailableError

_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class TrialApi:
    """Creates and deletes plain JSON objects through a connected client."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    def create(self, path: str, manifest: Mapping[str, object]) -> None:
        """Create an object below `path`, such as `/api/v1/nodes`.

        Raises:
            UnavailableError: the API server cannot be reached, or refuses.
        """
        self._succeed("POST", path, manifest)

    def delete_all(self, path: str) -> None:
        """Delete every object below `path` at once, without a grace. Raises as `create`."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
        self._succeed("DELETE", path, options)

    def exists(self, path: str) -> bool:
        """Whether there is an object of this path. Raises as `create`."""
        return self._send("GET", self._client.server + path)[0] == HTTPStatus.OK

    def text(self, url: str) -> str:
        """Read a page of another component with the same credentials. Raises as `create`."""
        status, body = self._send("GET", url)
        if status != HTTPStatus.OK:
            raise UnavailableError(f"HTTP {status}", where=url)
        return body.decode()

    def _succeed(self, method: str, path: str, body: Mapping[str, object]) -> None:
        status, answer = self._send(method, self._client.server + path, body)
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise UnavailableError(f"{method} {path}: {_message(answer)}")

    def _send(
        self, method: str, url: str, body: Mapping[str, object] | None = None
    ) -> tuple[int, bytes]:
        request = KubeRequest(server=self._client.server, verb=method.lower(), resource=url)
        with translating(request):
            answer = self._client.api.call_api(method, url, dict(_JSON), body=body)
            return int(answer.status), bytes(answer.read())


def _message(answer: bytes) -> str:
    """What the API server says of a refusal."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode(errors="replace")
