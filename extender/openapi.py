"""The OpenAPI document: FastAPI's own, and the scheduler's verbs, which FastAPI never sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict

TITLE = "Negawatt extender"
DESCRIPTION = (
    "Scores nodes for kube-scheduler, or only watches what it chooses. Callers off loopback send "
    "a bearer token, or come with a client certificate; health is open to all."
)
_OPEN = {"/healthz", "/readyz"}


class Problem(BaseModel):
    """What went wrong, in one line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: str


_NAMES: dict[str, Any] = {"type": ["array", "null"], "items": {"type": "string"}}
_NODES: dict[str, Any] = {
    "type": ["object", "null"],
    "description": "A v1.NodeList; sent where `nodeCacheCapable` is false.",
    "properties": {
        "items": {
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "required": ["metadata"],
                "properties": {
                    "metadata": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}},
                    }
                },
            },
        }
    },
}
_REASONS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
_SCHEMAS: dict[str, Any] = {
    "ExtenderArgs": {
        "type": "object",
        "description": "Go field names, in any case. Both node fields null: no candidates.",
        "required": ["Pod"],
        "properties": {
            "Pod": {"type": "object", "description": "A v1.Pod."},
            "Nodes": _NODES,
            "NodeNames": _NAMES,
        },
    },
    "HostPriority": {
        "type": "object",
        "required": ["Host", "Score"],
        "additionalProperties": False,
        "properties": {
            "Host": {"type": "string"},
            "Score": {"type": "integer", "minimum": 0, "maximum": 10},
        },
    },
    "ExtenderFilterResult": {
        "type": "object",
        "required": ["Nodes", "NodeNames", "FailedNodes", "FailedAndUnresolvableNodes", "Error"],
        "additionalProperties": False,
        "properties": {
            "Nodes": _NODES,
            "NodeNames": _NAMES,
            "FailedNodes": _REASONS,
            "FailedAndUnresolvableNodes": _REASONS,
            "Error": {"type": "string"},
        },
    },
}


def document(
    app: FastAPI, further: Mapping[str, Any] | None = None, *, with_scheduler: bool = True
) -> dict[str, Any]:
    """The document; made once. ``further`` are schemas by name that FastAPI does not know."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", Problem.model_json_schema())
        schemas.update(further or {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        if with_scheduler:
            _add_scheduler(made)
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in made["paths"].items():
            for operation in operations.values():
                _say_what_is_refused(path, operation["responses"])
                if path not in _OPEN:
                    operation["security"] = [{"token": []}]
        app.openapi_schema = made
    return app.openapi_schema


def _add_scheduler(made: dict[str, Any]) -> None:
    made["components"]["schemas"].update(_SCHEMAS)
    hosts = {"type": "array", "items": _ref("HostPriority")}
    made["paths"] |= {
        "/scheduler/prioritize": _verb("A score from 0 to 10 for every node.", hosts),
        "/scheduler/filter": _verb("The nodes that may.", _ref("ExtenderFilterResult")),
    }


def _verb(text: str, answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "post": {
            "tags": ["scheduler"],
            "summary": text,
            "requestBody": {"required": True, "content": _json(_ref("ExtenderArgs"))},
            "responses": {
                "200": {"description": text, "content": _json(answer)},
                "400": _problem("Not ExtenderArgs."),
                "413": _problem("More than `body_limit_bytes`."),
            },
        }
    }


def _say_what_is_refused(path: str, responses: dict[str, Any]) -> None:
    # What FastAPI answers with 422 is a 400 here, as everywhere else.
    if responses.pop("422", None):
        responses["400"] = _problem("Bad parameter.")
    if path not in _OPEN:
        responses["401"] = _problem("From off loopback, without token or certificate.")
        if not path.startswith("/scheduler/"):
            responses["403"] = _problem("From loopback, by a name that is not ours.")


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": _json(_ref("Problem"))}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
