"""kube-scheduler's extender messages as bytes: what it asks, what it is answered.

The JSON keys are Go field names (`k8s.io/kube-scheduler/extender/v1` has no JSON tags); Go reads
them in any case and schedulers before 1.17 wrote lower case, so both are accepted and Go's are
written. A score must be an integer: one float, and Go drops the whole answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from extender.scorer import SCORE_MAX, JsonObject

_FIELDS = {"Pod", "Nodes", "NodeNames"}
_SCORE_TAILS = tuple(f'","Score":{score}' for score in range(SCORE_MAX + 1))
_BACKSLASH = b"\\"


class WireError(ValueError):
    """A request that is no ExtenderArgs; its text is one line."""


class ExtenderArgs(NamedTuple):
    """One question: which of these nodes for this pod?

    ``names`` are the candidates in the order asked, with their repetitions. ``nodes`` is the
    NodeList of a scheduler that sends whole nodes (`nodeCacheCapable: false`), else None.
    ``by_name`` says that NodeNames were sent. ``is_plain``: no name needs an escape in JSON.
    """

    pod: JsonObject
    names: list[str]
    nodes: JsonObject | None
    by_name: bool
    is_plain: bool


def parse_args(body: bytes) -> ExtenderArgs:
    """Read ExtenderArgs.

    Both node fields null means no candidates. Where both are set, the names count.

    Raises:
        WireError: not JSON, or not that message.
    """
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise WireError(f"the body is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise WireError(f"the body must be an object, not {_kind(message)}")
    if not message.keys() >= _FIELDS:
        message = _in_go_case(message)
    pod = message.get("Pod")
    if not isinstance(pod, dict):
        raise WireError(f"Pod must be an object, not {_kind(pod)}")
    names, nodes = message.get("NodeNames"), message.get("Nodes")
    names_of_nodes = _names_of(nodes)
    by_name = names is not None
    if names is None:
        names = names_of_nodes
    elif not _are_strings(names):
        raise WireError("NodeNames must be a list of strings")
    is_plain = _BACKSLASH not in body or _BACKSLASH not in orjson.dumps(names)
    return ExtenderArgs(pod, names, None if by_name else nodes, by_name, is_plain)


def prioritize_reply(args: ExtenderArgs, scores: Sequence[int]) -> bytes:
    """A HostPriorityList with one entry per name asked, in that order.

    Raises:
        ValueError: not as many scores as names.
        TypeError, IndexError: a score that is no integer from 0 to 10.
    """
    names = args.names
    if not names and not scores:
        return b"[]"
    if scores and min(scores) < 0:
        raise IndexError(f"a score of {min(scores)}")
    tails = _SCORE_TAILS
    if args.is_plain:
        # Joined by hand: half the time of a dictionary per node and an encoder.
        hosts = [name + tails[score] for name, score in zip(names, scores, strict=True)]
        return ('[{"Host":"' + '},{"Host":"'.join(hosts) + "}]").encode()
    rows = zip(names, scores, strict=True)
    return orjson.dumps([{"Host": name, "Score": _checked(score)} for name, score in rows])


def equal_scores_reply(args: ExtenderArgs) -> bytes:
    """Every name at 0: no opinion, and kube-scheduler's own scores decide."""
    return prioritize_reply(args, [0] * len(args.names))


def filter_reply(args: ExtenderArgs, failed: Mapping[str, str]) -> bytes:
    """An ExtenderFilterResult in the mode asked: names for names, whole nodes for whole nodes."""
    reply: dict[str, Any] = {
        "Nodes": None,
        "NodeNames": None,
        "FailedNodes": {name: failed[name] for name in args.names if name in failed},
        "FailedAndUnresolvableNodes": {},
        "Error": "",
    }
    if args.by_name:
        reply["NodeNames"] = [name for name in args.names if name not in failed]
    elif args.nodes is not None:
        items = zip(args.nodes.get("items") or [], args.names, strict=True)
        kept = [item for item, name in items if name not in failed]
        reply["Nodes"] = {**args.nodes, "items": kept}
    return orjson.dumps(reply)


def _checked(score: int) -> int:
    _SCORE_TAILS[score]
    return int(score)


def _in_go_case(message: JsonObject) -> JsonObject:
    """The fields asked for under their Go names; a key in Go's own case wins over another."""
    lower = {key.lower(): value for key, value in message.items()}
    return {key: message.get(key, lower.get(key.lower())) for key in _FIELDS}


def _names_of(nodes: object) -> list[str]:
    if nodes is None:
        return []
    items = nodes.get("items") if isinstance(nodes, dict) else nodes
    if isinstance(nodes, dict) and items is None:
        return []
    if not isinstance(nodes, dict) or not isinstance(items, list):
        raise WireError("Nodes must be a NodeList, with items")
    try:
        names = [item["metadata"]["name"] for item in items]
    except (KeyError, TypeError):
        raise WireError("each of Nodes.items must have a metadata.name") from None
    if not _are_strings(names):
        raise WireError("each metadata.name of Nodes.items must be a string")
    return names


def _are_strings(values: object) -> bool:
    return isinstance(values, list) and set(map(type, values)) <= {str}


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return names.get(type(value), "a number or a truth value")
