"""What the extender answers over HTTP: the scheduler's verbs, health, and what people ask."""

from __future__ import annotations

import json
import logging

import pytest
from asgi_caller import ask
from steady_scorer import SteadyScorer, figures, score_of

from extender.app import create_app
from extender.settings import ExtenderSettings
from extender.verbs import FailureLog

PRIORITIZE, FILTER = "/scheduler/prioritize", "/scheduler/filter"
POD = {"metadata": {"name": "web-1", "namespace": "shop"}}


@pytest.fixture
def scorer():
    """A scorer that a test may tell to fail."""
    return SteadyScorer()


@pytest.fixture
def app(scorer):
    """The application, with a small limit."""
    return create_app(scorer, ExtenderSettings(body_limit_bytes=200_000))


def message(names, **fields):
    """A body that asks by name."""
    return json.dumps({"Pod": POD, "Nodes": None, "NodeNames": names, **fields}).encode()


def metric(app, start):
    """The value of the series whose line starts so."""
    lines = ask(app, "GET", "/metrics").sent.decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))


@pytest.mark.parametrize("count", [0, 1, 2, 500, 5000])
def test_every_node_gets_its_score(app, scorer, count):
    """In the order asked; also at none, and at five thousand."""
    names = [f"node-{index}" for index in range(count)]

    reply = ask(app, "POST", PRIORITIZE, message(names))

    assert reply.status == 200
    assert reply.json() == [{"Host": name, "Score": score_of(name)} for name in names]
    assert scorer.asked == [(POD, names)]


def test_whole_nodes_get_the_same_scores(app):
    """Both modes of `nodeCacheCapable`."""
    nodes = {"items": [{"metadata": {"name": name}} for name in ("a", "b")]}

    whole = ask(app, "POST", PRIORITIZE, message(None, Nodes=nodes))

    assert whole.json() == ask(app, "POST", PRIORITIZE, message(["a", "b"])).json()


def test_a_body_in_pieces_is_put_together(app):
    """As a slow network brings it."""
    body = message(["a", "b"])

    reply = ask(app, "POST", PRIORITIZE, [body[:1], body[1:40], b"", body[40:]])

    assert [entry["Host"] for entry in reply.json()] == ["a", "b"]


def test_a_caller_that_goes_away_is_not_answered(app, scorer):
    """Half a question is no question."""
    reply = ask(app, "POST", PRIORITIZE, [message(["a"])[:-1]])
    assert reply.status == 400

    gone = ask(app, "POST", PRIORITIZE, [])

    assert gone.status == 0
    assert scorer.asked == []


@pytest.mark.parametrize("path", [PRIORITIZE, FILTER])
@pytest.mark.parametrize("pieces", [1, 3])
def test_a_body_beyond_the_limit_is_refused_in_one_line(app, scorer, path, pieces):
    """However it is cut; nothing of it is parsed."""
    whole = b" " * 200_001
    step = len(whole) // pieces + 1

    reply = ask(app, "POST", path, [whole[i : i + step] for i in range(0, len(whole), step)])

    assert reply.status == 413
    assert "--body-limit-bytes" in reply.json()["error"]
    assert scorer.asked == []


@pytest.mark.parametrize("path", [PRIORITIZE, FILTER])
def test_a_malformed_body_is_400_in_one_line(app, path):
    """What is wrong with it is said."""
    reply = ask(app, "POST", path, b'{"Pod": 3}')

    assert reply.status == 400
    assert reply.json() == {"error": "Pod must be an object, not a number or a truth value"}
    assert metric(app, f'negawatt_extender_requests_total{{code="400",verb="{path[11:]}"}}') == 1


@pytest.mark.parametrize(
    "wrong", [{"failing": True}, {"scores": [1]}, {"scores": [1, 11]}, {"scores": [1.0, 2.0]}]
)
def test_a_scorer_that_fails_has_no_opinion(app, scorer, wrong, caplog):
    """Equal scores with 200, counted, and one traceback a minute, not one a pod."""
    vars(scorer).update(wrong)

    with caplog.at_level(logging.ERROR):
        replies = [ask(app, "POST", PRIORITIZE, message(["a", "b"])) for _ in range(3)]

    assert {reply.status for reply in replies} == {200}
    assert replies[0].json() == [{"Host": "a", "Score": 0}, {"Host": "b", "Score": 0}]
    assert metric(app, 'negawatt_extender_internal_errors_total{verb="prioritize"}') == 3
    assert [record.getMessage() for record in caplog.records] == [
        "prioritize failed (0 more unsaid)"
    ]


def test_a_failure_is_told_again_after_a_minute(caplog):
    """With how many were not."""
    now = [100.0]
    failures = FailureLog(clock=lambda: now[0])
    for at in (100.0, 100.1, 159.9, 160.0, 219.9, 221.0):
        now[0] = at
        failures.say("filter")

    assert [record.getMessage() for record in caplog.records] == [
        "filter failed (0 more unsaid)",
        "filter failed (2 more unsaid)",
        "filter failed (1 more unsaid)",
    ]


def test_a_filter_passes_what_may(app, scorer):
    """In the mode asked; the others with their reason."""
    scorer.failed = {"b": "too hot"}

    reply = ask(app, "POST", FILTER, message(["a", "b"])).json()

    assert reply["NodeNames"] == ["a"]
    assert reply["FailedNodes"] == {"b": "too hot"}


@pytest.mark.parametrize("wrong", [{"failing": True}, {"failed": {"a": "x", "b": "y"}}])
def test_a_filter_never_turns_a_pod_away_everywhere(app, scorer, wrong):
    """Such a pod would wait for minutes."""
    vars(scorer).update(wrong)

    reply = ask(app, "POST", FILTER, message(["a", "b"]))

    assert reply.status == 200
    assert reply.json()["NodeNames"] == ["a", "b"]
    assert reply.json()["FailedNodes"] == {}
    assert metric(app, 'negawatt_extender_internal_errors_total{verb="filter"}') == 1


@pytest.mark.parametrize("path", ["/scheduler/bind", "/scheduler/preempt", "/nowhere", "/healthz/"])
def test_what_is_not_offered_is_404(app, path):
    """We bind no pod and evict none."""
    reply = ask(app, "POST", path, b"{}")

    assert (reply.status, reply.json()) == (404, {"error": "Not Found"})


@pytest.mark.parametrize("path", [PRIORITIZE, FILTER])
def test_a_verb_is_posted(app, path):
    """Any other method is told so."""
    reply = ask(app, "GET", path)

    assert (reply.status, reply.json()) == (405, {"error": "Method Not Allowed"})


def test_health_is_the_event_loop(app):
    """Nothing else is asked."""
    reply = ask(app, "GET", "/healthz")

    assert (reply.status, reply.sent) == (200, b"ok\n")


def test_readiness_says_what_is_missing(app, scorer):
    """A line each; and no while the process is about to end."""
    assert ask(app, "GET", "/readyz").status == 200

    scorer.ready = False
    missing = ask(app, "GET", "/readyz")
    scorer.ready = True
    app.draining = True
    draining = ask(app, "GET", "/readyz")

    assert (missing.status, missing.sent) == (503, b"pods are not listed yet\n")
    assert (draining.status, draining.sent) == (503, b"shutting down\n")


def test_a_pod_is_explained_as_it_was_decided(app, scorer):
    """The whole value, as the core gave it."""
    reply = ask(app, "GET", "/explain/shop/web-1")

    explained = scorer.explain("shop", "web-1")
    assert explained is not None
    assert reply.json() == json.loads(explained.model_dump_json())


@pytest.mark.parametrize("pod", ["nobody", "a%0Ab", "%00", "x" * 2000])
def test_an_unknown_pod_is_404_in_one_line(app, pod):
    """Whatever its name is."""
    reply = ask(app, "GET", f"/explain/shop/{pod}")

    assert reply.status == 404
    assert reply.json()["error"].startswith("no pod shop/")
    assert "\n" not in reply.json()["error"]


def test_savings_are_summed_by_namespace(app):
    """Signed, the most first, and the same total whichever way they are summed."""
    reply = ask(app, "GET", "/savings").json()

    assert [(row["namespace"], row["forgone_watts"]) for row in reply["rows"]] == [
        ("shop", 10.5),
        ("blog", 3.25),
    ]
    assert reply["forgone_watts"] == pytest.approx(13.75)
    assert reply["decisions"] == 9
    assert "not measured" in reply["note"]


def test_savings_are_summed_by_workload(app):
    """Kind and name, besides the namespace."""
    reply = ask(app, "GET", "/savings?by=workload").json()

    assert [(row["kind"], row["name"], row["forgone_joules"]) for row in reply["rows"]] == [
        ("Deployment", "web", 4000.0),
        ("StatefulSet", "posts", 1.0),
        ("Job", "nightly", -10.0),
    ]
    assert reply["forgone_joules"] == pytest.approx(3991.0)


def test_savings_of_nothing_are_nothing(app, scorer):
    """An extender that has just started."""
    scorer.state = figures(forgone={})

    reply = ask(app, "GET", "/savings").json()

    assert (reply["rows"], reply["forgone_watts"]) == ([], 0)


def test_savings_by_something_else_are_400(app):
    """In one line, as everywhere."""
    reply = ask(app, "GET", "/savings?by=colour")

    assert reply.status == 400
    assert reply.json()["error"].startswith("by: ")


def test_requests_are_counted_by_path_and_code(app):
    """Few labels, whatever is asked."""
    for path in ("/savings", "/explain/shop/none", "/explain/shop/none2", "/x/1", "/y/2"):
        ask(app, "GET", path)
    ask(app, "POST", PRIORITIZE, message(["a", "b"]))

    assert metric(app, 'negawatt_extender_requests_total{code="404",verb="explain"}') == 2
    assert metric(app, 'negawatt_extender_requests_total{code="404",verb="other"}') == 2
    assert metric(app, 'negawatt_extender_requests_total{code="200",verb="prioritize"}') == 1
    assert metric(app, 'negawatt_extender_candidate_nodes_sum{verb="prioritize"}') == 2
    assert metric(app, 'negawatt_extender_prioritize_duration_seconds_count{code="200"}') == 1


def test_the_empty_handler_is_for_benches_alone(app, scorer):
    """It answers 0 for every name, and only where it was asked for."""
    assert ask(app, "POST", "/scheduler/empty", message(["a"])).status == 404

    bench = create_app(scorer, ExtenderSettings(), with_empty_handler=True)

    reply = ask(bench, "POST", "/scheduler/empty", message(["a", "b"]))
    assert reply.json() == [{"Host": "a", "Score": 0}, {"Host": "b", "Score": 0}]
    assert scorer.asked == []
