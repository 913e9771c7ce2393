"""kube-scheduler's messages: every shape that it sends, or once sent, and what it can read back."""

from __future__ import annotations

import json

import orjson
import pytest

from extender.wire import (
    WireError,
    equal_scores_reply,
    filter_reply,
    parse_args,
    prioritize_reply,
)

POD = {"metadata": {"name": "web-1", "namespace": "shop"}}
MANY_NAMES = [f"node-{index}" for index in range(5000)]
ODD_NAMES = ["é", "日本", 'a"b', "a\\b", "tab\there", "nul\x00", "\x7f", "\u2028", "😀", ""]


def message(**fields):
    """A body; kube-scheduler always writes all three fields."""
    return json.dumps({"Pod": POD, "Nodes": None, "NodeNames": None, **fields}).encode()


def node_list(*names, **more):
    """Nodes as whole objects."""
    return {"items": [{"metadata": {"name": name}, "spec": {}} for name in names], **more}


def test_names_are_asked_in_order_and_with_their_repetitions():
    """The answer has a line per line of the question."""
    args = parse_args(message(NodeNames=["b", "a", "b"]))

    assert args.names == ["b", "a", "b"]
    assert args.by_name
    assert args.pod == POD


def test_whole_nodes_are_asked_by_their_names():
    """`nodeCacheCapable: false`: the names are in the objects."""
    args = parse_args(message(Nodes=node_list("a", "b")))

    assert args.names == ["a", "b"]
    assert not args.by_name


@pytest.mark.parametrize(
    "fields", [{}, {"NodeNames": []}, {"Nodes": {"items": None}}, {"Nodes": {"items": []}}]
)
def test_no_candidates_are_no_error(fields):
    """Both null, or nothing in either."""
    args = parse_args(message(**fields))

    assert args.names == []
    assert prioritize_reply(args, []) == b"[]"


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda key: key[0].lower() + key[1:]])
def test_field_names_are_read_in_any_case(change):
    """As Go reads them; schedulers before 1.17 wrote lower case."""
    body = {change(key): value for key, value in json.loads(message(NodeNames=["a"])).items()}

    args = parse_args(json.dumps(body).encode())

    assert args.names == ["a"]
    assert args.pod == POD


def test_a_field_in_gos_own_case_wins():
    """Go takes an exact match before another."""
    args = parse_args(json.dumps({"pod": {}, "Pod": POD, "nodenames": ["x"]}).encode())

    assert args.pod == POD
    assert args.names == ["x"]


def test_absent_fields_are_null():
    """A sender that leaves nulls out means the same."""
    assert parse_args(json.dumps({"Pod": POD}).encode()).names == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"Pod": NaN}', "not JSON"),
        (b'{"Pod":{},"NodeNames":["\\ud800"]}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "an object, not a list"),
        (b"null", "an object, not null"),
        (b'"x"', "an object, not a string"),
        (b"3", "an object, not a number"),
        (b"{}", "Pod must be an object, not null"),
        (b'{"Pod":[]}', "Pod must be an object, not a list"),
        (message(NodeNames="a"), "NodeNames must be a list of strings"),
        (message(NodeNames=["a", 1]), "NodeNames must be a list of strings"),
        (message(NodeNames=["a", None]), "NodeNames must be a list of strings"),
        (message(NodeNames={"a": 1}), "NodeNames must be a list of strings"),
        (message(Nodes=[]), "NodeList"),
        (message(Nodes={"items": {}}), "NodeList"),
        (message(Nodes={"items": [{}]}), "metadata.name"),
        (message(Nodes={"items": [None]}), "metadata.name"),
        (message(Nodes={"items": [{"metadata": {"name": 7}}]}), "must be a string"),
    ],
)
def test_what_is_no_extender_args_is_named_in_one_line(body, complaint):
    """What is wrong, not where in our code it was noticed."""
    with pytest.raises(WireError, match=complaint) as caught:
        parse_args(body)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names", [["a", "b"], ODD_NAMES, ["a"] * 3, MANY_NAMES])
def test_every_name_comes_back_with_its_integer(names):
    """Names that need escapes in JSON too, and however many there are."""
    scores = [index % 11 for index in range(len(names))]

    reply = prioritize_reply(parse_args(message(NodeNames=names)), scores)

    expected = [{"Host": name, "Score": score} for name, score in zip(names, scores, strict=True)]
    assert json.loads(reply) == expected


def test_an_escape_that_needs_none_is_read_and_written_plainly():
    r"""A name written as \u0061 is a; only what must be escaped takes the slow way."""
    args = parse_args(b'{"Pod":{"x":"\\n"},"Nodes":null,"NodeNames":["\\u0061"]}')

    assert args.is_plain
    assert prioritize_reply(args, [4]) == b'[{"Host":"a","Score":4}]'


@pytest.mark.parametrize("name", ["plain", 'quo"te'])
@pytest.mark.parametrize("score", [-1, 11, 7.0, "7", None])
def test_a_score_that_go_would_not_read_is_never_written(score, name):
    """One float and Go drops the whole answer; one 11 outweighs what is configured."""
    args = parse_args(message(NodeNames=[name]))

    with pytest.raises((TypeError, IndexError)):
        prioritize_reply(args, [score])


@pytest.mark.parametrize("scores", [[], [1], [1, 2, 3]])
def test_as_many_scores_as_names(scores):
    """A score too few would be another node's."""
    with pytest.raises(ValueError, match="zip"):
        prioritize_reply(parse_args(message(NodeNames=["a", "b"])), scores)


def test_no_opinion_is_the_same_score_for_all():
    """So that kube-scheduler's own scores decide."""
    reply = equal_scores_reply(parse_args(message(NodeNames=["a", "b"])))

    assert json.loads(reply) == [{"Host": "a", "Score": 0}, {"Host": "b", "Score": 0}]


def test_a_filter_answers_names_with_names():
    """Null `NodeNames` would mean that no node may."""
    args = parse_args(message(NodeNames=["a", "b", "c"]))

    reply = json.loads(filter_reply(args, {"b": "why", "unknown": "not asked"}))

    assert reply == {
        "Nodes": None,
        "NodeNames": ["a", "c"],
        "FailedNodes": {"b": "why"},
        "FailedAndUnresolvableNodes": {},
        "Error": "",
    }


def test_a_filter_answers_whole_nodes_with_whole_nodes():
    """What kube-scheduler sent comes back as it was, fewer."""
    sent = node_list("a", "b", metadata={"resourceVersion": "7"})

    reply = json.loads(filter_reply(parse_args(message(Nodes=sent)), {"a": "why"}))

    assert reply["Nodes"] == {**sent, "items": [sent["items"][1]]}
    assert reply["NodeNames"] is None
    assert reply["FailedNodes"] == {"a": "why"}


def test_names_count_where_both_are_sent():
    """kube-scheduler sends one; whoever sends both gets names back."""
    args = parse_args(message(NodeNames=["a"], Nodes=node_list("b")))

    reply = json.loads(filter_reply(args, {}))

    assert reply["NodeNames"] == ["a"]
    assert reply["Nodes"] is None


def test_numbers_in_whole_nodes_survive():
    """An int64 is not rounded on its way through."""
    sent = {"items": [{"metadata": {"name": "a", "generation": 9_007_199_254_740_993}}]}

    reply = orjson.loads(filter_reply(parse_args(message(Nodes=sent)), {}))

    assert reply["Nodes"] == sent
