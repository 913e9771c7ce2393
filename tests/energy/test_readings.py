"""Wall readings come from a CSV in any order; what is no reading is counted or named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.errors import InputError
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile, Scope
from energy.readings import read_readings, replay

HEADER = "at_seconds,node,wall_watts,predicted_watts"


def _file(folder: Path, *lines: str, header: str = HEADER) -> Path:
    file = folder / "readings.csv"
    file.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return file


def test_rows_are_replayed_by_time_node_by_node(tmp_path: Path) -> None:
    """The last reading by time is the last residual, wherever it stands in the file."""
    file = _file(tmp_path, "120,a,130,100", "0,a,110,100", "0,b,90,100", "60,a,,100")
    drifts = dict(replay(read_readings(file)))
    assert drifts["a"].residual_watts == 30
    assert (drifts["a"].used, drifts["a"].ignored) == (2, 1)
    assert drifts["b"].residual_watts == -10


def test_a_load_is_put_on_a_given_curve(tmp_path: Path) -> None:
    """With a profile, the file says the utilisation and the curve the prediction."""
    profile = NodePowerProfile(name="node", curve=PowerCurve.linear(100, 300))
    header = "at_seconds,node,wall_watts,utilisation_ratio"
    file = _file(tmp_path, "0,a,210,0.5", header=header)
    assert dict(replay(read_readings(file, profile)))["a"].residual_watts == 10


def test_wall_readings_are_not_compared_with_the_watts_of_packages(tmp_path: Path) -> None:
    """Scopes are never mixed."""
    curve = PowerCurve.linear(10, 30)
    profile = NodePowerProfile(name="rapl", curve=curve, scope=Scope.PACKAGE)
    file = _file(tmp_path, "0,a,210,0.5", header="at_seconds,node,wall_watts,utilisation_ratio")
    with pytest.raises(InputError, match="scope package"):
        read_readings(file, profile)


@pytest.mark.parametrize(
    "line",
    [
        "x,a,100,100",
        "nan,a,100,100",
        "0,,100,100",
        "0,a,many,100",
        "0,a,100,0",
        "0,a,1_00,100",
        "0,a,100,1_00",
        "0,a,100,",
        "0,a,100,-3",
        "0,a,100",
    ],
)
def test_a_row_that_is_no_reading_is_named(tmp_path: Path, line: str) -> None:
    """One line with the row's number."""
    with pytest.raises(InputError, match="line 2"):
        read_readings(_file(tmp_path, line))


def test_a_file_without_readings_is_refused(tmp_path: Path) -> None:
    """A header alone is no evidence."""
    with pytest.raises(InputError, match="no reading"):
        read_readings(_file(tmp_path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fail_otherwise(tmp_path: Path, text: str) -> None:
    """Noise is refused in one line, or was a reading."""
    file = tmp_path / "readings.csv"
    file.write_text(f"{HEADER}\n{text}", encoding="utf-8", errors="replace")
    assert _outcome(file)


def _outcome(file: Path) -> bool:
    try:
        return bool(read_readings(file))
    except InputError as error:
        return "\n" not in str(error)
