"""Replies that are no answer: one line of JSON that says why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from energy.errors import InputError, UnavailableError
from extender.openapi import Problem
from extender.prediction.request import RequestError
from extender.verbs import (
    BAD_REQUEST,
    TOO_LARGE,
    BodyTooLargeError,
    DisconnectedError,
)
from telemetry.serving.replies import error_body

JSON: Final = "application/json"
WRONG_KIND: Final = 415
UNAVAILABLE: Final = 503


def problem(code: int, line: str) -> Response:
    """A reply with one line."""
    return Response(error_body(line), code, media_type=JSON)


def problems(texts: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """Such replies by status code, for the OpenAPI document."""
    return {code: {"model": Problem, "description": text} for code, text in texts.items()}


def kind_of(request: Request) -> str:
    """What the body says it is."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def or_problem(answered: Callable[[], Awaitable[Response]]) -> Response:
    """An answer, or in one line why there is none."""
    try:
        return await answered()
    except (RequestError, InputError) as error:
        return problem(BAD_REQUEST, str(error))
    except BodyTooLargeError:
        return problem(TOO_LARGE, "the body is too large; send fewer servers")
    except DisconnectedError:
        return Response()
    except UnavailableError as error:
        return problem(UNAVAILABLE, str(error))
