"""`negawatt simulate place --scenario paper`: the prediction service against round robin."""

from __future__ import annotations

import json

import pytest
from command_line import negawatt

pytest.importorskip("onnxruntime", reason="the extra `regressor` is not installed")


def test_the_service_is_compared_on_the_same_tasks_and_its_models_with_each_other(tmp_path):
    """Without any file: watts by policy, simulated, and how often the models agree; then a plot."""
    written = tmp_path / "paper.html"
    policies = "round-robin,predict-regressor,predict-forest"
    command = ("simulate", "place", "--scenario", "paper", "--policy", policies)

    done = negawatt(*command, "--output", "json")
    plotted = negawatt(*command, "--output", "html", "--file", written)

    document = json.loads(done.stdout)
    watts = {name: row["watts"]["on_req"] for name, row in document["mean"]["policies"].items()}
    assert (done.returncode, plotted.returncode) == (0, 0), done.stderr + plotted.stderr
    assert document["simulated"] is True
    assert list(watts) == policies.split(",")
    assert max(watts, key=watts.get) == "round-robin"
    assert 0 < document["agreement"]["mean"]["same_server_ratio"] <= 1
    page = written.read_text()
    assert "<svg" in page
    assert "the same type of server for" in page
