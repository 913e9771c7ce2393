"""The notebooks run from top to bottom on a slice, and carry no outputs.

`test_network.py` runs the one that trains: it has loaded TensorFlow already.
"""

from __future__ import annotations

import pytest
from notebook_cells import FOLDER, run_notebook

#: With how many hours of each trace: a whole day to plot, and what is enough to judge on.
WITHOUT_TENSORFLOW = {
    "forecaster-data": 24,
    "forecaster-comparison": 14,
    "forecaster-calibration": 14,
}


def test_there_is_one_for_each_subject() -> None:
    """Data, training, comparison, calibration."""
    found = {file.stem for file in FOLDER.glob("forecaster-*.ipynb")}

    assert found == {*WITHOUT_TENSORFLOW, "forecaster-training"}


@pytest.mark.parametrize("name", WITHOUT_TENSORFLOW)
def test_a_notebook_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever breaks a notebook hears of it here."""
    pytest.importorskip("nbformat")
    monkeypatch.setenv("NEGAWATT_NOTEBOOK_HOURS", str(WITHOUT_TENSORFLOW[name]))

    assert "trace_of" in run_notebook(name)
