"""What a sandbox tells the controller of tiers, and the scheduler that goes by its labels."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cluster.scheduling.profile import ENERGY_TIER_LABEL
from energy.errors import InputError
from extender.tiers.settings import read_settings
from simulator.sandbox import tiers_companion
from simulator.sandbox.companions import TIERS_MODULE
from simulator.sandbox.record import Program, options_of


def test_the_controller_understands_what_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It acts alone, and labels many nodes at once."""
    options = options_of(tiers=True, nodes_may_sleep=True, usage_ratio=0.3)
    program = Program(path=Path("/usr/bin/python3"), argument=TIERS_MODULE)
    companion = tiers_companion.tiers(program, tmp_path, {"tiersPort": 7}, options)
    for name, value in companion.environ.items():
        monkeypatch.setenv(name, value)

    settings = read_settings()

    assert (settings.mode, settings.port, settings.leader_elect) == ("act", 7, False)
    assert settings.kubeconfig == tmp_path / "kubeconfig.yaml"
    assert (settings.usage_ratio, settings.nodes_may_sleep) == (0.3, True)
    assert settings.survey_rules().limits.changes_per_minute_max > 5000


def test_the_scheduler_s_only_profile_goes_by_tiers() -> None:
    """Whatever asks for no scheduler gets it; there is one scheduler, without a lease."""
    document = yaml.safe_load(tiers_companion.scheduler_configuration(options_of(tiers=True)))

    (profile,) = document["profiles"]
    assert profile["schedulerName"] == "default-scheduler"
    assert ENERGY_TIER_LABEL in str(profile)
    assert "leaderElection" not in document
    assert "kubeconfig" not in document["clientConnection"]


@pytest.mark.parametrize(
    ("option", "contradicting"),
    [
        ("--act", {"extender": "act"}),
        ("--tier-labels", {"tier_labels": True}),
        ("--scheduler-config", {"scheduler_configuration": Path("/etc/scheduler.yaml")}),
    ],
)
def test_options_that_contradict_tiers_are_refused(
    option: str, contradicting: dict[str, object]
) -> None:
    """Each has labels or a scheduler of its own."""
    with pytest.raises(InputError) as refused:
        tiers_companion.require_usable(options_of(tiers=True, **contradicting))
    assert str(refused.value).startswith(f"{option}: ")
    tiers_companion.require_usable(options_of(**contradicting))


@pytest.mark.parametrize(
    ("nodes", "left"),
    [
        (None, 3),
        ([("right", "0")], 2),
        ([("right", "0"), ("due", None), ("waiting", None)], 2),
        ([("right", "0"), ("due", "1"), ("waiting", "1")], 1),
        ([("right", "0"), ("foreign", "x"), ("failing", None)], 0),
        ([("right", "0"), ("right", "1"), ("unreadable", None), ("right", "0")], 0),
    ],
)
def test_a_sandbox_is_up_when_no_label_is_to_come(
    nodes: list[tuple[str, str | None]] | None, left: int
) -> None:
    """Nodes that the controller has not seen yet are to get one, too."""
    listed = nodes and [{"state": state, "present": present} for state, present in nodes]
    assert tiers_companion.unlabelled_count({"nodes": listed}, 3) == left
