"""The hot path: kube-scheduler's questions, answered on the bare ASGI interface.

No model, no dependency injection, no log line: at 500 nodes they would cost more than the scoring.
Whatever goes wrong in scoring, the answer is 200 with equal scores: kube-scheduler goes on as if
we had no opinion, and the failure is counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from extender.metrics import RequestMetrics
from extender.scorer import Scorer
from extender.wire import (
    ExtenderArgs,
    WireError,
    equal_scores_reply,
    filter_reply,
    parse_args,
    prioritize_reply,
)
from telemetry.serving.replies import Receive, Scope, Send, error_body, send_json

Answer: TypeAlias = Callable[[ExtenderArgs], bytes]

OK, BAD_REQUEST, TOO_LARGE = 200, 400, 413
LOG_PAUSE_SECONDS = 60.0
_log = logging.getLogger(__name__)


class BodyTooLargeError(Exception):
    """More was sent than may be."""


class DisconnectedError(Exception):
    """The caller went away before it had asked."""


class FailureLog:
    """Says that scoring failed, with a traceback, at most once a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quiet_until = float("-inf")
        self._unsaid = 0

    def say(self, verb: str) -> None:
        """Log the exception that is being handled, or count it for the next line."""
        if (now := self._clock()) < self._quiet_until:
            self._unsaid += 1
            return
        _log.exception("%s failed (%d more unsaid)", verb, self._unsaid)
        self._quiet_until, self._unsaid = now + LOG_PAUSE_SECONDS, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """What verbs have in common."""

    metrics: RequestMetrics
    body_limit_bytes: int


class Verb:
    """One verb of the extender as an ASGI application. ``fallback`` must not fail."""

    def __init__(
        self,
        name: str,
        answer: Answer,
        fallback: Answer,
        shell: Shell,
    ) -> None:
        self._name = name
        self._answer = answer
        self._fallback = fallback
        self._metrics = shell.metrics
        self._body_limit_bytes = shell.body_limit_bytes
        self._failures = FailureLog()

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started_seconds = time.perf_counter()
        try:
            body = await read_body(receive, self._body_limit_bytes)
        except DisconnectedError:
            return
        except BodyTooLargeError:
            limit = self._body_limit_bytes
            line = f"the body has more than {limit} bytes; raise --body-limit-bytes, or send names"
            code, reply = TOO_LARGE, error_body(line)
        else:
            code, reply = self._reply(body)
        await send_json(send, code, reply)
        self._metrics.observe(self._name, code, time.perf_counter() - started_seconds)

    def _reply(self, body: bytes) -> tuple[int, bytes]:
        try:
            args = parse_args(body)
        except WireError as error:
            return BAD_REQUEST, error_body(str(error))
        self._metrics.observe_candidates(self._name, len(args.names))
        try:
            return OK, self._answer(args)
        except Exception:  # noqa: BLE001 - whatever it is, scheduling goes on
            self._metrics.internal_errors.labels(self._name).inc()
            self._failures.say(self._name)
            return OK, self._fallback(args)


class EmptyVerb:
    """What the server itself costs: reads JSON, answers 0 for every name, measures nothing."""

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        message = orjson.loads(await read_body(receive, 1 << 30))
        hosts = [{"Host": name, "Score": 0} for name in message["NodeNames"]]
        await send_json(send, OK, orjson.dumps(hosts))


def prioritize(scorer: Scorer) -> Answer:
    """Scores for every name asked."""
    return lambda args: prioritize_reply(args, scorer.prioritize(args.pod, args.names))


def filter_nodes(scorer: Scorer) -> Answer:
    """The nodes that may take the pod.

    Raises (when asked): ValueError: none may, which we never say: a pod that an extender turned
    away everywhere is not tried again for minutes.
    """

    def answer(args: ExtenderArgs) -> bytes:
        failed = scorer.filter(args.pod, args.names)
        if args.names and failed and failed.keys() >= set(args.names):
            raise ValueError(f"all {len(args.names)} nodes were filtered away")
        return filter_reply(args, failed)

    return answer


def keep_all(args: ExtenderArgs) -> bytes:
    """A filter's answer without an opinion."""
    return filter_reply(args, {})


no_opinion = equal_scores_reply


async def read_body(receive: Receive, limit_bytes: int) -> bytes:
    """The body of a request; usually it is there in one piece.

    Raises:
        BodyTooLargeError: it has more than ``limit_bytes``; what follows is not read.
        DisconnectedError: the caller went away.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and len(body) <= limit_bytes:
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        return body
    pieces, size = [body], len(body)
    while message.get("more_body") and size <= limit_bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
    if size > limit_bytes:
        raise BodyTooLargeError
    return b"".join(pieces)
