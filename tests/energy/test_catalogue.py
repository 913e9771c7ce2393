"""The chain answers with the best link that holds, and says which and why."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from power_profile_files import profile_of

from energy.catalogue import Catalogue, NodeFacts
from energy.errors import InputError
from energy.power_curve import PowerCurve
from energy.profile import ProfileSource, Scope
from energy.regressor.facts import ServerFacts

SHIPPED = Catalogue.shipped()
R720 = "Intel(R) Xeon(R) CPU E5-2660 0 @ 2.20GHz"


def test_a_cpu_model_in_any_spelling_finds_a_server_of_its_size() -> None:
    """Linux' spelling of a 2 x 8 core server finds one with 32 threads."""
    profile = SHIPPED.resolve(NodeFacts(name="node", cpu_cores=32, cpu_model=R720))
    server = SHIPPED.servers[profile.name]
    assert (profile.source, profile.scope) == (ProfileSource.CATALOGUE_CPU_MODEL, Scope.WALL)
    assert (server.cpu_key, server.threads) == ("intel e5-2660", 32)


def test_a_smaller_node_is_a_share_of_a_server_and_less_trusted() -> None:
    """8 of 128 threads draw a sixteenth, and the answer says of which server."""
    whole = SHIPPED.resolve(NodeFacts(name="node", cpu_cores=128, cpu_model="AMD EPYC 7773X"))
    share = SHIPPED.resolve(NodeFacts(name="node", cpu_cores=8, cpu_model="AMD EPYC 7773X"))
    server = SHIPPED.servers[share.name]
    assert share.peak_watts == pytest.approx(server.curve.peak_watts * 8 / (server.threads or 0))
    assert share.trust < whole.trust
    assert server.slug in share.notes[-1]
    assert share.wake_joules == pytest.approx(share.peak_watts * share.wake_seconds)


def test_an_instance_type_comes_before_the_cpu_model() -> None:
    """A virtual machine is not the server that its CPU was measured in."""
    facts = NodeFacts(name="n", cpu_cores=8, cpu_model=R720, instance_type="M5.2xlarge")
    profile = SHIPPED.resolve(facts)
    assert profile.source is ProfileSource.CATALOGUE_INSTANCE_TYPE
    assert profile.peak_watts == pytest.approx(8 * 4.1042, rel=1e-3)


def test_a_division_error_of_the_source_is_passed_over_visibly() -> None:
    """AWS' EPYC 5th Gen falls through to the CPU model, and a note says why."""
    facts = NodeFacts(name="n", cpu_cores=8, cpu_model=R720, instance_type="r8a.2xlarge")
    profile = SHIPPED.resolve(facts)
    assert profile.source is ProfileSource.CATALOGUE_CPU_MODEL
    assert any("division error" in note for note in profile.notes)


@pytest.mark.parametrize(
    ("instance_type", "remark"), [("c7g.2xlarge", "copies"), ("p4d.24xlarge", "accelerators")]
)
def test_figures_that_are_no_measurement_say_so(instance_type: str, remark: str) -> None:
    """Graviton's copies and types with accelerators have little trust."""
    profile = SHIPPED.resolve(NodeFacts(name="n", cpu_cores=8, instance_type=instance_type))
    assert profile.trust <= 0.1
    assert any(remark in note for note in profile.notes)


def test_nothing_but_cores_leads_to_the_dear_generic_curve() -> None:
    """The last link is an upper quartile: most measured servers of the size draw less."""
    profile = SHIPPED.resolve(NodeFacts(name="node", cpu_cores=32))
    assert profile.source is ProfileSource.GENERIC_CORES
    alike = [
        server
        for server in SHIPPED.servers.values()
        if server.threads == 32 and server.hardware_year >= 2012
    ]
    cheaper = [server for server in alike if server.curve.peak_watts <= profile.peak_watts]
    assert len(cheaper) >= 0.6 * len(alike)
    assert len(profile.notes) == 3


@pytest.mark.parametrize("cpu_cores", [16, 32, 64, 128, 256])
def test_a_generic_node_draws_what_measured_servers_with_as_many_threads_draw(
    cpu_cores: int,
) -> None:
    """Kubernetes counts hardware threads: more than most of them, and less than any worst."""
    profile = SHIPPED.resolve(NodeFacts(name="node", cpu_cores=cpu_cores))
    alike = [
        server.curve
        for server in SHIPPED.servers.values()
        if server.threads == cpu_cores and server.hardware_year >= 2012
    ]
    for level in (0.0, 0.5, 1.0):
        watts = sorted(curve.watts_at(level) for curve in alike)
        assert watts[len(watts) // 2] <= profile.curve.watts_at(level) <= watts[-1]


def test_two_epyc_7763_are_not_taken_for_256_physical_cores() -> None:
    """A server of 256 threads was measured at about 400 W, not at two kilowatts."""
    profile = SHIPPED.resolve(NodeFacts(name="node", cpu_cores=256))
    measured = SHIPPED.servers["lenovo-thinksystem-sr645-7763"]
    assert measured.cpu_threads == 256
    assert measured.curve.peak_watts < profile.peak_watts < 1.5 * measured.curve.peak_watts


@given(st.floats(0.1, 4096))
def test_a_generic_curve_rises_for_any_number_of_cores(cpu_cores: float) -> None:
    """Whatever the size, load costs watts."""
    watts = SHIPPED.resolve(NodeFacts(name="node", cpu_cores=cpu_cores)).curve.watts
    assert all(low <= high for low, high in pairwise(watts))


@given(st.text(max_size=40), st.one_of(st.none(), st.text(max_size=40)), st.floats(0.5, 1000))
def test_every_node_of_known_size_gets_a_profile(
    cpu_model: str, instance_type: str | None, cpu_cores: float
) -> None:
    """Unknown names fall down the chain; nothing raises."""
    facts = NodeFacts(
        name="n", cpu_cores=cpu_cores, cpu_model=cpu_model, instance_type=instance_type
    )
    profile = SHIPPED.resolve(facts)
    assert profile.peak_watts > profile.idle_watts > 0


@pytest.mark.parametrize("cpu_cores", [0, -1, math.nan, math.inf])
def test_a_node_without_a_size_is_refused(cpu_cores: float) -> None:
    """There is nothing left to fall back to."""
    with pytest.raises(InputError, match="cpu_cores"):
        SHIPPED.resolve(NodeFacts(name="node", cpu_cores=cpu_cores))


def test_what_an_operator_wrote_comes_first_and_the_most_specific_wins() -> None:
    """Two labels beat one."""
    rack = profile_of("rack", {"rack": "7"}, idle_watts=50.0, peak_watts=150.0)
    slot = profile_of("slot", {"rack": "7", "slot": "3"}, idle_watts=60.0, peak_watts=160.0)
    written = SHIPPED.with_power_profiles([rack, slot])
    labels = {"rack": "7", "slot": "3"}
    profile = written.resolve(NodeFacts(name="n", cpu_cores=8, cpu_model=R720, labels=labels))
    assert (profile.name, profile.source) == ("slot", ProfileSource.POWER_PROFILE)
    other = written.resolve(NodeFacts(name="n", cpu_cores=8, labels={"rack": "8"}))
    assert other.source is ProfileSource.GENERIC_CORES


def test_two_written_watts_get_a_bowed_curve_between_them() -> None:
    """Idle and peak stay, the middle is the typical shape's or the regressor's."""
    rack = profile_of("rack", {"rack": "7"}, idle_watts=50.0, peak_watts=150.0)
    facts = NodeFacts(name="n", cpu_cores=8, labels={"rack": "7"})
    written = SHIPPED.with_power_profiles([rack])
    typical = written.resolve(facts).curve
    assert (typical.idle_watts, typical.peak_watts) == (50, 150)
    assert typical.watts_at(0.1) > 60
    assert "typical shape" in written.resolve(facts).notes[-1]
    assert written.written(rack).curve == typical

    def predict(server: ServerFacts) -> PowerCurve:
        assert (server.idle_watts, server.peak_watts) == (50, 150)
        assert (server.cores, server.threads) == (4, 8)
        return PowerCurve.linear(50, 151)

    predicted = SHIPPED.with_power_profiles([rack], predict).resolve(facts)
    assert predicted.peak_watts == 151
    assert "regressor" in predicted.notes[-1]


def test_a_cpu_model_without_hyperthreading_has_a_core_for_each_thread() -> None:
    """The regressor is asked with physical cores."""
    rack = profile_of("rack", {"rack": "7"}, idle_watts=50.0, peak_watts=150.0)
    asked: list[ServerFacts] = []

    def predict(server: ServerFacts) -> PowerCurve:
        asked.append(server)
        return PowerCurve.linear(50, 150)

    catalogue = SHIPPED.with_power_profiles([rack], predict)
    for cpu_model in ("Intel Xeon E5440", "AMD EPYC 7763"):
        facts = NodeFacts(name="n", cpu_cores=8, cpu_model=cpu_model, labels={"rack": "7"})
        catalogue.resolve(facts)
    assert [(each.cores, each.threads) for each in asked] == [(8, 8), (4, 8)]


def test_a_package_profile_never_stands_for_the_wall() -> None:
    """It is passed over, and a note says so."""
    rapl = profile_of("rapl", {"rack": "7"}, idle_watts=5.0, peak_watts=15.0, scope="package")
    facts = NodeFacts(name="n", cpu_cores=8, labels={"rack": "7"})
    profile = SHIPPED.with_power_profiles([rapl]).resolve(facts)
    assert profile.source is ProfileSource.GENERIC_CORES
    assert any("packages" in note for note in profile.notes)


def test_among_servers_of_one_size_the_answer_never_flaps() -> None:
    """The order of the table does not matter."""
    backwards = replace(SHIPPED, servers=dict(reversed(SHIPPED.servers.items())))
    facts = NodeFacts(name="node", cpu_cores=32, cpu_model=R720)
    assert backwards.resolve(facts) == SHIPPED.resolve(facts)
