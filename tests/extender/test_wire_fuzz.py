"""Ten thousand questions of any shape: no 5xx, and never an answer of the wrong length."""

from __future__ import annotations

import json
import os
from itertools import product

import pytest
from asgi_caller import LOOPBACK, Reply
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from steady_scorer import SteadyScorer

from extender.app import create_app
from extender.settings import ExtenderSettings

IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") in {"ci", "night"}
# Each example asks in several ways: 500 x 8 + 1,500 x 4 requests in CI, a fifth of that elsewhere.
GOOD_EXAMPLES, ANY_EXAMPLES = (500, 1500) if IS_LONG else (100, 300)
VERBS = ("prioritize", "filter")
unhurried = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
node_names = st.text(max_size=12) | st.from_regex(r"\A[a-z0-9.-]{1,20}\Z")
name_lists = st.lists(node_names, max_size=30)
pods = st.fixed_dictionaries({"metadata": json_values, "spec": json_values}) | json_values
node_lists = st.builds(
    lambda names: {"items": [{"metadata": {"name": name}} for name in names]}, name_lists
)
any_messages = st.fixed_dictionaries(
    {},
    optional={
        "Pod": pods,
        "pod": pods,
        "Nodes": node_lists | json_values,
        "nodes": node_lists | json_values,
        "NodeNames": name_lists | json_values,
        "nodeNames": name_lists | json_values,
    },
)
good_pods = st.dictionaries(st.text(max_size=8), json_values, max_size=3)
APP = create_app(SteadyScorer(failed={"a": "no", "": "no name"}), ExtenderSettings())


def post(verb, body):
    """One request, without an event loop: the hot path waits for nothing."""
    reply = Reply([body])
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/scheduler/{verb}",
        "headers": [],
        "client": LOOPBACK,
    }
    running = APP(scope, reply.receive, reply.send)
    with pytest.raises(StopIteration):
        running.send(None)
    return reply


def dumped(value):
    """JSON with every character beyond ASCII escaped, which Go would not do."""
    return json.dumps(value).encode()


@settings(unhurried, max_examples=ANY_EXAMPLES)
@given(st.binary(max_size=40) | any_messages.map(dumped), st.integers(1, 60))
def test_whatever_is_sent_is_answered_or_refused_in_one_line(body, cut):
    """Never a 5xx, nor where half of it is missing."""
    for verb, sent in product(VERBS, (body, body[:-cut])):
        reply = post(verb, sent)

        assert reply.status in {200, 400}
        answer = json.loads(reply.sent)
        if reply.status == 400:
            assert list(answer) == ["error"]
            assert "\n" not in answer["error"]


@settings(unhurried, max_examples=GOOD_EXAMPLES)
@given(good_pods, name_lists)
def test_every_node_asked_about_is_answered(pod, names):
    """A line per node, integers from 0 to 10; a filter gives every node to one side."""
    nodes = {"items": [{"metadata": {"name": name}} for name in names]}
    by_name = {"Pod": pod, "Nodes": None, "NodeNames": names}
    whole = {"Pod": pod, "Nodes": nodes, "NodeNames": None}
    for question, in_go_case in product((by_name, whole), (True, False)):
        cased = question if in_go_case else {key.lower(): v for key, v in question.items()}
        scored, kept = (post(verb, dumped(cased)) for verb in VERBS)

        assert {scored.status, kept.status} == {200}
        _require_scores(json.loads(scored.sent), names)
        _require_sides(json.loads(kept.sent), names, by_name=question is by_name)


def _require_scores(answer, names):
    assert [entry["Host"] for entry in answer] == names
    assert all(type(entry["Score"]) is int for entry in answer)
    assert all(0 <= entry["Score"] <= 10 for entry in answer)


def _require_sides(answer, names, *, by_name):
    kept = answer["NodeNames"]
    if not by_name:
        assert kept is None
        kept = [item["metadata"]["name"] for item in answer["Nodes"]["items"]]
    assert kept == [name for name in names if name not in answer["FailedNodes"]]
    assert set(answer["FailedNodes"]) <= set(names)
    assert kept or not names
