"""What the forecaster answers, to whom, and the generated pages."""

from __future__ import annotations

import json

import pytest
import repository
from asgi_caller import ELSEWHERE, LOOPBACK, ask
from forecaster_stage import WEB, Stage

from energy.errors import InputError
from forecaster.app import create_app
from forecaster.metrics import FAMILIES, FORECAST
from forecaster.reference import PAGES
from forecaster.selection import Selection, Wish, horizon_index, wishes_of
from forecaster.settings import ForecasterSettings, read_settings

PATH = f"/forecast/{WEB}"


@pytest.fixture
def stage(tmp_path):
    """Give a forecaster that has been at work for some minutes."""
    stage = Stage(tmp_path, selection=Selection(wishes=(Wish("shop/*/*", 900.0),)))
    stage.minutes([10.0 + minute % 3 for minute in range(12)])
    stage.minutes([1.0, 2.0], key="other/Deployment/cart")
    return stage


@pytest.fixture
def app(stage):
    """Give its application, with settings that ask for no token."""
    return create_app(stage.service, ForecasterSettings())


def get(app, path, **how):
    """Ask, and give status and text."""
    reply = ask(app, "GET", path, **how)
    return reply.status, reply.sent.decode()


def test_a_forecast_comes_with_its_reasons(app, stage):
    """Quantiles, members and weights, own errors, and the state of the workload."""
    status, text = get(app, PATH)
    found = json.loads(text)

    assert status == 200
    assert found["state"] == "ready"
    assert found["reason"] == "the last value"
    assert len(found["forecast"]["horizons"]) == 6
    assert [each["model"] for each in found["members"]] == ["last-value", "lstm"]
    assert found["lead_time_seconds"] == 900.0
    assert found["version"] == "shipped"
    assert found["errors"]["scored_count"] > 0

    stage.clock.seconds += 1000
    assert json.loads(get(app, PATH)[1])["state"] == "stale"


def test_one_need_not_know_a_key_to_ask(app, stage):
    """All that are known, each in the state that its own page says."""
    found = {each["key"]: each["state"] for each in json.loads(get(app, "/forecasts")[1])}
    assert found[WEB] == "ready"
    for key, state in found.items():
        assert json.loads(get(app, f"/forecast/{key}")[1])["state"] == state
    stage.clock.seconds += 1000
    assert {each["state"] for each in json.loads(get(app, "/forecasts")[1])} == {"stale"}


def test_who_is_unknown_is_told_so(app):
    """In one line."""
    status, text = get(app, "/forecast/a/Deployment/b")
    assert status == 404
    assert json.loads(text)["error"].startswith("no sample of a/Deployment/b ever came here")


def test_who_may_still_come_is_not_said_to_be_unknown(app, stage):
    """While the past is read, nobody can say who is in it."""
    stage.service.reads_past = lambda: True
    status, text = get(app, "/forecast/a/Deployment/b")
    assert status == 503
    assert "the past is still being read" in json.loads(text)["error"]
    assert get(app, PATH)[0] == 200


def test_a_method_that_is_none_is_told_as_all_errors_are(app):
    """In one line."""
    reply = ask(app, "POST", PATH)
    assert (reply.status, json.loads(reply.sent)) == (405, {"error": "Method Not Allowed"})


def test_gauges_are_those_of_who_opted_in_and_go_when_they_are_stale(app, stage):
    """An absent gauge is what autoscalers must notice."""
    text = get(app, "/metrics")[1]
    own = [line for line in text.splitlines() if line.startswith(FORECAST + "{")]
    assert len(own) == 5
    assert all('namespace="shop",kind="Deployment",name="web"' in line for line in own)
    assert any('quantile="0.9"' in line for line in own)
    assert "negawatt_forecaster_error_coverage_80_ratio" in text
    assert 'negawatt_forecaster_workload_error_mae_requests_per_second{namespace="shop"' in text

    stage.clock.seconds += 1000
    text = get(app, "/metrics")[1]
    assert FORECAST + "{" not in text
    assert "negawatt_forecaster_workload_requests_per_second{" not in text


def test_strangers_learn_of_health_alone(app):
    """Everything else wants a token off loopback."""
    for path, expected in (("/healthz", 200), ("/readyz", 200), (PATH, 401), ("/metrics", 401)):
        assert get(app, path, client=ELSEWHERE)[0] == expected
    assert get(app, "/models", client=LOOPBACK)[0] == 200


def test_the_models_are_told(app):
    """With the errors of late."""
    found = json.loads(get(app, "/models")[1])
    assert (found["champion"], found["serving"]) == ("shipped", "shipped")
    assert found["versions"][0]["role"] == "champion"
    assert found["errors"]["mixture"]["scored_count"] > 0


def test_a_thread_that_hangs_is_not_healthy(app, stage):
    """So that somebody starts it anew."""
    stage.service.hangs = lambda: True
    assert get(app, "/healthz")[0] == 503


def test_names_are_unique_and_end_with_their_unit():
    """A total is a counter."""
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))
    assert all(name.startswith("negawatt_forecast") for name in names)
    assert all(name.endswith("_total") == (family.kind == "counter")
               for name, family in zip(names, FAMILIES, strict=True))  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_pages_are_up_to_date(name):
    """`python -m forecaster.reference docs/reference` makes them so."""
    page = repository.ROOT / "docs" / "reference" / name
    assert page.read_text("utf-8") == PAGES[name]()


def test_settings_come_from_flags_and_the_environment(monkeypatch):
    """What cannot be is one line."""
    monkeypatch.setenv("NEGAWATT_FORECASTER__OPT_IN", "shop/*/*=900, all")
    assert read_settings().opt_in == ("shop/*/*=900", "all")
    with pytest.raises(InputError, match="is no pattern"):
        read_settings({"opt_in": "a=later"})
    monkeypatch.setenv("NEGAWATT_FORECASTER__OPTIN", "x")
    with pytest.raises(InputError, match="did you mean NEGAWATT_FORECASTER__OPT_IN"):
        read_settings()


def test_what_is_wrong_with_a_setting_ends_with_its_cure():
    """Not with all that the setting is for."""
    for given, cure in (
        ({"opt_in": "bad"}, "with =SECONDS (1 to 1800) if you like"),
        ({"port": "99999"}, "see `negawatt forecaster run --help`"),
    ):
        with pytest.raises(InputError) as caught:
            read_settings(given)
        assert str(caught.value).endswith(cure)


def test_a_pattern_that_no_key_can_fit_is_refused():
    """A kind that was forgotten is said at the start; a star stands for parts and slashes."""
    for text in ("bad", "shop/web", "shop//web", "a/B/c/d", "/", "shop/web=900"):
        with pytest.raises(InputError, match="is no pattern of workloads"):
            wishes_of([text])
    fitting = ("*", "all", "shop/*", "*/web", "shop/Deployment/web", "shop/*/web=900")
    for wish in wishes_of(fitting):
        selection = Selection(wishes=(wish,))
        assert selection.lead_time_of("shop/Deployment/web") is not None


def test_a_lead_time_means_the_next_horizon():
    """Rather too early than too late."""
    assert [horizon_index(each) for each in (1, 300, 301, 600, 1800, 9999)] == [0, 0, 1, 1, 5, 5]
    selection = Selection(
        wishes=wishes_of(["shop/*/web=900", "all"]), annotated={"a/B/c": None, "a/B/d": 60.0},
        refused=frozenset({"a/B/e"}),
    )  # fmt: skip
    keys = ("shop/Deployment/web", "shop/Deployment/x", "a/B/c", "a/B/d", "a/B/e")
    assert [selection.lead_time_of(key) for key in keys] == [900.0, 600.0, 600.0, 60.0, None]
