"""`negawatt energy` as a person or a program runs it, but for training."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
import yaml
from command_line import negawatt
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from light_gbm import without_light_gbm
from load_level_files import CELLS, HEADER, row, write
from power_profile_files import document_of

READINGS = "at_seconds,node,wall_watts,predicted_watts\n"


def one_line(text: str) -> bool:
    """Whether a message is one line without a traceback."""
    return text.startswith("negawatt: ") and text.count("\n") == 1 and "Traceback" not in text


def test_a_profile_is_looked_up_with_its_link_and_scope() -> None:
    """JSON says where the watts came from."""
    done = negawatt("energy", "catalogue", "--cpu", "EPYC 7763", "--output", "json")
    profile = json.loads(done.stdout)
    assert done.returncode == 0
    assert (profile["source"], profile["scope"]) == ("catalogue-cpu-model", "wall")
    assert len(profile["load_level_watts"]) == 11


def test_a_table_shows_the_notes_of_the_chain() -> None:
    """Why no better link answered."""
    done = negawatt("energy", "catalogue", "--cpu", "Z80", "--cores", "4")
    assert done.returncode == 0
    assert "generic-cores" in done.stdout
    assert "no measured server has the CPU model 'Z80'" in done.stdout


def test_a_written_profile_answers_for_its_label(tmp_path: Path) -> None:
    """A file and a label are all it takes."""
    file = tmp_path / "profiles.yaml"
    document = document_of("rack", {"rack": "7"}, idle_watts=50.0, peak_watts=150.0)
    file.write_text(yaml.safe_dump(document))
    done = negawatt(
        "energy", "catalogue", "--profiles", file, "--label", "rack=7", "--cores", 8,
        "--output", "json",
    )  # fmt: skip
    profile = json.loads(done.stdout)
    assert (profile["source"], profile["idle_watts"]) == ("power-profile", 50)


def test_the_servers_can_be_listed() -> None:
    """All of them, or those of one CPU model."""
    everything = json.loads(negawatt("energy", "catalogue", "--servers", "--output", "json").stdout)
    some = negawatt("energy", "catalogue", "--servers", "--cpu", "E5-2699 v4 xeon")
    assert len(everything["servers"]) == 495
    assert "E5-2699 v4" in some.stdout


def test_a_core_has_a_price_on_a_server_that_was_never_measured() -> None:
    """Curve, fill cost and the marginal watts of one more pod, with their basis."""
    done = negawatt(
        "energy", "cost", "--cores", 64, "--idle-watts", 100, "--peak-watts", 400, "--load", 0.5,
        "--pod-cores", 2, "--output", "json",
    )  # fmt: skip
    answer = json.loads(done.stdout)
    watts = answer["profile"]["load_level_watts"]
    assert answer["fill_cost_watts_per_core"] == pytest.approx((400 - 5) / 64)
    assert answer["fill_cost_always_on_watts_per_core"] == pytest.approx(300 / 64)
    assert answer["marginal_watts"] == pytest.approx((watts[6] - watts[5]) * 10 * 2 / 64)
    assert "idle_watts and peak_watts" in answer["profile"]["notes"][0]
    assert answer["profile"]["source"] == "predicted"


def test_the_shipped_model_is_scored_on_cpu_models_it_has_not_seen(tmp_path: Path) -> None:
    """Servers of the training list are counted, the others scored, beside the line."""
    unheard = row(cpuname="Intel Xeon Unheard-1234 v9")
    file = write(tmp_path, row(), unheard, unheard)
    done = negawatt("energy", "evaluate", "--servers", file, "--output", "json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert set(answer) == {"models", "shipped", "servers", "excluded"}
    assert (answer["servers"], answer["excluded"]) == (2, 1)
    assert {"linear", answer["shipped"]} == set(answer["models"])
    ours, line = answer["models"][answer["shipped"]], answer["models"]["linear"]
    assert set(ours) == {
        "mape_ratio_median", "mape_ratio_p90", "marginal_error_ratio_median",
        "placement_regret_ratio", "r2", "mae_watts",
    }  # fmt: skip
    assert 0 < ours["mape_ratio_median"] < line["mape_ratio_median"]


def test_blind_predictions_are_worse(tmp_path: Path) -> None:
    """Idle and peak unknown cost accuracy."""
    file = write(tmp_path, row(cpuname="Intel Xeon Unheard-1234 v9"), row(cpuname="Xeon Other-9"))
    errors = []
    for options in ((), ("--blind",)):
        done = negawatt("energy", "evaluate", "--servers", file, "--output", "json", *options)
        answer = json.loads(done.stdout)
        errors.append(answer["models"][answer["shipped"]]["mape_ratio_median"])
    assert errors[0] < errors[1]


def test_nothing_left_to_score_is_nulls_and_one_line(tmp_path: Path) -> None:
    """Exit 0, and the line names --cross-validate."""
    file = write(tmp_path, row())
    done = negawatt("energy", "evaluate", "--servers", file, "--output", "json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert (answer["servers"], answer["excluded"]) == (0, 1)
    assert all(value is None for each in answer["models"].values() for value in each.values())
    assert one_line(done.stderr)
    assert "--cross-validate" in done.stderr


def test_a_tampered_artefact_is_one_line(tmp_path: Path) -> None:
    """Exit 2, and what to do about it."""
    from energy.regressor.artefact import SHAPE_FILE, shipped_directory

    for each in Path(str(shipped_directory())).iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    (tmp_path / SHAPE_FILE).write_bytes(b"tampered")
    done = negawatt("energy", "evaluate", "--artefact", tmp_path)
    assert done.returncode == 2
    assert one_line(done.stderr)
    assert "checksum" in done.stderr


def test_drift_is_shown_in_three_forms(tmp_path: Path) -> None:
    """Table, JSON and Prometheus' text."""
    file = tmp_path / "readings.csv"
    rows = "".join(f"{minute * 60},a,120,100\n" for minute in range(1500))
    file.write_text(f'{READINGS}{rows}0,"b ""x""",,100\n')
    table = negawatt("energy", "drift", "--readings", file)
    document = json.loads(
        negawatt("energy", "drift", "--readings", file, "--output", "json").stdout
    )
    metrics = negawatt("energy", "drift", "--readings", file, "--output", "prometheus").stdout
    assert "off" in table.stdout
    assert document["nodes"]["a"]["off"] is True
    assert document["nodes"]['b "x"']["residual_watts"] is None
    samples = [line for line in metrics.splitlines() if not line.startswith("#")]
    correction = document["nodes"]["a"]["correction_ratio"]
    assert 1.1 < correction < 1.2
    assert samples == [
        'negawatt_power_residual_watts{node="a"} 20',
        f'negawatt_power_correction_ratio{{node="a"}} {correction:.10g}',
        'negawatt_power_profile_off{node="a"} 1',
    ]
    for name in ("residual_watts", "correction_ratio", "profile_off"):
        assert f"# TYPE negawatt_power_{name} gauge" in metrics


def test_a_node_whose_readings_stopped_keeps_its_flag_and_has_no_residual(tmp_path: Path) -> None:
    """A residual is of now; what was learnt stays."""
    file = tmp_path / "readings.csv"
    file.write_text(f"{READINGS}0,a,101,100\n0,b,101,100\n3600,b,101,100\n")
    metrics = negawatt("energy", "drift", "--readings", file, "--output", "prometheus").stdout
    assert 'residual_watts{node="a"}' not in metrics
    assert 'residual_watts{node="b"} 1' in metrics
    assert 'negawatt_power_profile_off{node="a"} 0' in metrics


def test_drift_and_catalogue_draw_one_curve_between_two_written_watts(tmp_path: Path) -> None:
    """What is compared with the meter is what nodes are priced by."""
    profiles, readings = tmp_path / "rack.yaml", tmp_path / "readings.csv"
    document = document_of("rack", {"rack": "7"}, idle_watts=50.0, peak_watts=150.0)
    profiles.write_text(yaml.safe_dump(document))
    readings.write_text("at_seconds,node,wall_watts,utilisation_ratio\n0,a,100,0.1\n")
    drifted = negawatt(
        "energy", "drift", "--readings", readings, "--profile", profiles, "--output", "json"
    )
    found = negawatt(
        "energy", "catalogue", "--profiles", profiles, "--label", "rack=7", "--cores", 8,
        "--output", "json",
    )  # fmt: skip
    at_a_tenth = json.loads(found.stdout)["load_level_watts"][1]
    residual = json.loads(drifted.stdout)["nodes"]["a"]["residual_watts"]
    assert at_a_tenth > 61
    assert residual == pytest.approx(100 - at_a_tenth)


def test_a_package_profile_is_not_compared_with_wall_readings(tmp_path: Path) -> None:
    """Exit 2 and one line that names the scope."""
    profiles, readings = tmp_path / "rapl.yaml", tmp_path / "readings.csv"
    spec = {"idle_watts": 5.0, "peak_watts": 15.0, "scope": "package"}
    profiles.write_text(yaml.safe_dump(document_of("rapl", {"rack": "7"}, **spec)))
    readings.write_text("at_seconds,node,wall_watts,utilisation_ratio\n0,a,100,0.1\n")
    done = negawatt("energy", "drift", "--readings", readings, "--profile", profiles)
    assert done.returncode == 2
    assert one_line(done.stderr)
    assert "scope package" in done.stderr


def test_readings_by_utilisation_need_a_profile_and_take_one(tmp_path: Path) -> None:
    """A server of the catalogue stands for the prediction."""
    file = tmp_path / "readings.csv"
    file.write_text("at_seconds,node,wall_watts,utilisation_ratio\n0,a,134,0.5\n")
    done = negawatt(
        "energy", "drift", "--readings", file, "--profile", "dell-poweredge-r720-e5-2660",
        "--output", "json",
    )  # fmt: skip
    assert json.loads(done.stdout)["nodes"]["a"]["residual_watts"] == pytest.approx(10)


@pytest.mark.parametrize(
    "arguments",
    [
        ("catalogue",),
        ("catalogue", "--cores", "nan"),
        ("catalogue", "--cores", "4", "--label", "no-equals-sign"),
        ("catalogue", "--cores", "4", "--output", "xml"),
        ("catalogue", "--cores", "4", "--profiles", "/nowhere"),
        ("cost", "--cores", "0"),
        ("cost", "--cores", "8", "--idle-watts", "nan"),
        ("cost", "--cores", "8", "--idle-watts", "300", "--peak-watts", "200"),
        ("cost", "--cores", "8", "--load", "1.5"),
        ("cost", "--cores", "8", "--pod-cores", "-1"),
        ("cost", "--cores", "8", "--target", "0"),
        ("drift", "--readings", "/nowhere"),
        ("drift", "--readings", "/nowhere", "--profile", "no-such-server"),
        ("evaluate", "--servers", "/nowhere"),
        ("evaluate", "--train-until", "2015"),
        ("evaluate", "--train-until", "2017", "--test-from", "2015"),
        ("evaluate", "--train-until", "2015", "--test-from", "2017", "--cross-validate"),
    ],
)
def test_bad_input_of_every_kind_is_one_line_and_exit_code_2(arguments: tuple[str, ...]) -> None:
    """What is wrong, where, how to mend it."""
    done = negawatt("energy", *arguments)
    assert done.returncode == 2
    assert one_line(done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", f"{HEADER}\n", f"{HEADER}\n1,2,3\n"])
@pytest.mark.parametrize("options", [(), ("--cross-validate",), ("--blind",)])
def test_a_bad_file_of_servers_is_one_line_and_exit_code_2(
    tmp_path: Path, content: str, options: tuple[str, ...]
) -> None:
    """Empty, foreign, headless and truncated."""
    file = tmp_path / "servers.csv"
    file.write_text(content)
    done = negawatt("energy", "evaluate", "--servers", file, *options)
    assert done.returncode == 2
    assert one_line(done.stderr)


@pytest.mark.parametrize("rows", [(row(),), (row(), row(cpuname="Intel Xeon Unheard-1234"))])
@without_light_gbm
def test_too_few_cpu_models_cannot_be_cross_validated(tmp_path: Path, rows: tuple[str]) -> None:
    """One line rather than a fold with no training server, or with one."""
    file = write(tmp_path, *rows)
    done = negawatt("energy", "evaluate", "--servers", file, "--cross-validate")
    assert done.returncode == 2
    assert one_line(done.stderr)


@pytest.mark.parametrize(
    "arguments",
    [("evaluate", "--cross-validate"), ("train",), ("report",)],
)
def test_a_missing_system_library_is_one_line_before_any_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """LightGBM's wheel needs libgomp; exit 1 names the package."""
    pytest.importorskip("sklearn", reason="the extra `energy-training` is not installed")
    fake = "raise OSError('libgomp.so.1: cannot open shared object file: x')\n"
    (tmp_path / "lightgbm.py").write_text(fake)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.chdir(tmp_path)
    done = negawatt("energy", *arguments)
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert "apt-get install libgomp1" in done.stderr


_MUTATED = st.one_of(
    st.text(alphabet="0123456789.eE-+_", max_size=8),
    st.floats(min_value=0).map(repr),
    st.integers(0, 10**6).map(str),
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.sampled_from(list(CELLS)), _MUTATED, min_size=1, max_size=3))
@example({"memamountgb": "1e-323"})
@example(dict.fromkeys([name for name in CELLS if name.startswith("watts")][:10], "1e-300"))
@example({"watts_idle": "1e-300"})
@example({"cpufreq": "1e-310"})
@example({"watts_100": "1_000"})
def test_whatever_a_row_holds_the_shipped_model_scores_it_or_one_line_refuses_it(
    tmp_path: Path, cells: dict[str, str]
) -> None:
    """No traceback and no warning of numpy's, from the file to the figures."""
    mutated = row(**{"cpuname": "Intel Xeon Unheard-1234 v9", **cells})
    file = write(tmp_path, row(cpuname="Intel Xeon Unheard-5678 v9"), mutated)
    for options in ((), ("--blind",)):
        done = negawatt("energy", "evaluate", "--servers", file, "--output", "json", *options)
        if done.returncode:
            assert (done.returncode, one_line(done.stderr)) == (2, True)
            continue
        figures = [
            each for model in json.loads(done.stdout)["models"].values() for each in model.values()
        ]
        assert all(each is None or math.isfinite(each) for each in figures)
