"""Settings: where they come from, what they refuse, and that each is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy.errors import InputError
from extender.settings import ExtenderSettings, default_ledger_url, read_settings
from telemetry.serving.given_settings import flag


@pytest.fixture(autouse=True)
def _bare(monkeypatch):
    """Without the variables of whoever runs the tests."""
    for name in ExtenderSettings.model_fields:
        monkeypatch.delenv(f"NEGAWATT_EXTENDER__{name.upper()}", raising=False)


def test_without_anything_it_observes_on_loopback():
    """Nothing is written, nobody else can ask."""
    settings = read_settings()

    assert settings.mode == "observe"
    assert (settings.host, settings.port) == ("127.0.0.1", 10_380)
    assert settings.scheduler_names == ("negawatt",)
    assert settings.usage_ratio == "measured"
    assert not settings.nodes_may_sleep
    assert settings.prometheus_url is None


def test_a_flag_counts_before_the_environment(monkeypatch):
    """And the environment before the default; a flag that is None was not given."""
    monkeypatch.setenv("NEGAWATT_EXTENDER__PORT", "4000")
    monkeypatch.setenv("NEGAWATT_EXTENDER__MODE", "act")
    monkeypatch.setenv("NEGAWATT_EXTENDER__CONTEXT", "")

    settings = read_settings({"port": 5000, "mode": None})

    assert (settings.port, settings.mode) == (5000, "act")
    assert settings.context is None


def test_a_list_is_written_with_commas(monkeypatch):
    """Not as JSON."""
    monkeypatch.setenv("NEGAWATT_EXTENDER__SCHEDULER_NAMES", "negawatt, default-scheduler")

    assert read_settings().scheduler_names == ("negawatt", "default-scheduler")
    assert read_settings({"scheduler_names": "one"}).scheduler_names == ("one",)


@pytest.mark.parametrize(("given", "expected"), [("measured", "measured"), ("0.4", 0.4), (1, 1.0)])
def test_a_usage_ratio_is_a_number_or_measured(given, expected):
    """A flag is text."""
    assert read_settings({"usage_ratio": given}).usage_ratio == expected


def test_the_ledger_lies_in_the_state_directory(monkeypatch, tmp_path):
    """Ours if it is named, else XDG's, else below the home."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("NEGAWATT_STATE", raising=False)
    home = f"sqlite:///{Path('~/.local/state/negawatt/ledger.sqlite').expanduser()}"
    assert default_ledger_url() == home

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_ledger_url() == f"sqlite:///{tmp_path}/negawatt/ledger.sqlite"

    monkeypatch.setenv("NEGAWATT_STATE", str(tmp_path / "ours"))
    assert default_ledger_url() == f"sqlite:///{tmp_path}/ours/ledger.sqlite"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "Act"),
        ("port", "70000"),
        ("port", "-1"),
        ("port", "x"),
        ("usage_ratio", "1.5"),
        ("usage_ratio", "nan"),
        ("usage_ratio", "often"),
        ("usage_ratio_fallback", "-0.1"),
        ("utilisation_ceiling_ratio", "0"),
        ("nodes_may_sleep", "perhaps"),
        ("scheduler_names", " , "),
        ("prometheus_url", "prometheus:9090"),
        ("prometheus_url", "ftp://x"),
        ("assume_seconds", "0"),
        ("stale_seconds", "inf"),
        ("ledger_capacity", "0"),
        ("body_limit_bytes", "10"),
        ("drain_seconds", "-1"),
    ],
)
def test_a_bad_value_is_named_where_it_was_given(name, value, monkeypatch):
    """As a flag, or as a variable; in one line, with what was given."""
    with pytest.raises(InputError) as as_flag:
        read_settings({name: value})
    monkeypatch.setenv(f"NEGAWATT_EXTENDER__{name.upper()}", value)
    with pytest.raises(InputError) as as_variable:
        read_settings()

    assert str(as_flag.value).startswith(f"{flag(name)}: ")
    assert str(as_variable.value).startswith(f"NEGAWATT_EXTENDER__{name.upper()}: ")
    assert "\n" not in str(as_flag.value)


def test_an_unknown_variable_is_refused_with_the_one_that_was_meant(monkeypatch):
    """A typing error would otherwise mean the default, silently."""
    monkeypatch.setenv("NEGAWATT_EXTENDER__MOED", "act")

    with pytest.raises(InputError, match="did you mean NEGAWATT_EXTENDER__MODE"):
        read_settings()


@pytest.mark.parametrize(
    "given",
    [
        {"tls_cert_file": "c"},
        {"tls_key_file": "k"},
        {"tls_client_ca_file": "ca"},
    ],
)
def test_half_of_a_certificate_is_none(given):
    """A server that was meant to serve HTTPS must not serve HTTP."""
    with pytest.raises(InputError, match="tls_cert_file"):
        read_settings(given)


def test_a_database_password_is_not_shown():
    """Settings are logged and printed."""
    settings = read_settings({"ledger_url": "postgresql://me:hunter2@db/negawatt"})

    assert "hunter2" not in repr(settings)
