"""Settings of the controller: defaults that write nothing, and refusals in one line."""

from __future__ import annotations

import pytest

from energy.errors import InputError
from extender.tiers.settings import PREFIX, TiersSettings, read_settings
from extender.tiers.wishes import TierRule


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variables of whoever runs the tests."""
    for name in TiersSettings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name.upper()}", raising=False)


def test_without_anything_it_observes_on_loopback() -> None:
    """Nothing is written, nobody else can ask; several replicas would elect a leader."""
    settings = read_settings()

    assert settings.mode == "observe"
    assert (settings.host, settings.port) == ("127.0.0.1", 10_381)
    assert settings.leader_elect
    assert not settings.force
    rules = settings.survey_rules()
    assert rules.options.rule is TierRule.FILL_COST
    assert rules.limits.relabel_seconds_min == 600


def test_variables_and_flags_reach_what_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag counts before a variable."""
    monkeypatch.setenv(f"{PREFIX}RULE", "peak-watts")
    monkeypatch.setenv(f"{PREFIX}CHANGES_PER_MINUTE_MAX", "5")
    monkeypatch.setenv(f"{PREFIX}FORCE", "true")

    rules = read_settings({"changes_per_minute_max": "7"}).survey_rules()

    assert rules.options.rule is TierRule.PEAK_WATTS
    assert rules.limits.changes_per_minute_max == 7
    assert rules.force


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "Act"),
        ("rule", "cheapest"),
        ("usage_ratio", "0"),
        ("hysteresis_ratio", "0.001"),
        ("relabel_seconds_min", "-1"),
        ("changes_per_minute_max", "0"),
        ("lease_name", ""),
        ("port", "70000"),
    ],
)
def test_a_bad_value_is_named_where_it_was_given(name: str, value: str) -> None:
    """In one line."""
    with pytest.raises(InputError) as refused:
        read_settings({name: value})

    assert str(refused.value).startswith(f"--{name.replace('_', '-')}: ")
    assert "\n" not in str(refused.value)


def test_an_unknown_variable_is_refused_with_the_one_that_was_meant() -> None:
    """The extender's own variables are another's business."""
    read_settings(environ={"NEGAWATT_EXTENDER__MODE": "act"})
    with pytest.raises(InputError, match=f"did you mean {PREFIX}RELABEL_SECONDS_MIN"):
        read_settings(environ={f"{PREFIX}RELABEL_SECONDS": "5"})
