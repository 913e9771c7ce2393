"""`negawatt energy train-forest` writes a forest that loads and predicts as the shipped one."""

from __future__ import annotations

import numpy as np
import pytest
from command_line import negawatt

from energy.regressor.forest import Forest
from energy.regressor.scores import Score

pytest.importorskip("sklearn", reason="the extra `energy-training` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `regressor` is not installed")


def test_the_forest_is_made_again(tmp_path, monkeypatch):
    """From the same table; the ten folds are left out here, they only describe it."""
    scored = Score(mape_ratio_median=0.5)
    monkeypatch.setattr("energy.regressor.forest_training.cross_validated", lambda _: scored)

    done = negawatt("energy", "train-forest", "--into", tmp_path)

    rows = np.array([(16, 64, 250, 0.3), (128, 512, 700, 0.9), (1, 1, 5, 0.0)])
    made = Forest.load(tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"written to {tmp_path}: other files than the shipped artefact" in " ".join(
        done.stdout.split()
    )
    assert made.watts(rows) == pytest.approx(Forest.shipped().watts(rows), rel=1e-3)
