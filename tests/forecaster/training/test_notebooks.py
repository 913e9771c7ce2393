"""The notebooks run from top to bottom on a slice, and carry no outputs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import repository

NOTEBOOKS = sorted((repository.ROOT / "notebooks").glob("forecaster-*.ipynb"))
#: Enough for a day over another, little enough for a test.
SLICE_HOURS = "24"

pytestmark = [
    pytest.mark.tensorflow,
    # Jupyter's own libraries, on Python 3.12 and later.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_there_is_one_for_each_subject() -> None:
    """Data, training, comparison, calibration."""
    subjects = {file.stem.removeprefix("forecaster-") for file in NOTEBOOKS}

    assert subjects == {"data", "training", "comparison", "calibration"}


def test_every_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another; whoever breaks a notebook hears of it here."""
    import nbclient
    import nbformat

    monkeypatch.setenv("NEGAWATT_NOTEBOOK_HOURS", SLICE_HOURS)
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    kernel = tmp_path / "JUPYTER_DATA_DIR" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    command = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (kernel / "kernel.json").write_text(
        f'{{"argv": {command}, "display_name": "Python 3", "language": "python"}}'
    )
    cells = []
    for file in NOTEBOOKS:
        notebook = nbformat.read(file, as_version=4)
        assert not any(cell.get("outputs") for cell in notebook.cells), f"{file.name} has outputs"
        # One kernel loads the libraries once; each notebook still begins without any name.
        cells += [nbformat.v4.new_code_cell(f"%reset -f\n# {file.name}"), *notebook.cells]
    nbclient.NotebookClient(
        nbformat.v4.new_notebook(cells=cells),
        timeout=240,
        kernel_name="python3",
        resources={"metadata": {"path": tmp_path}},
    ).execute()
