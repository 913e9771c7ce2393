"""`negawatt simulate place --scenario paper`: the prediction service against round robin."""

from __future__ import annotations

import json

import pytest
from command_line import negawatt

from console.placement_page import standard_page

pytest.importorskip("onnxruntime", reason="the extra `regressor` is not installed")
POLICIES = ("random", "predict-regressor", "predict-forest")


def test_the_service_is_compared_on_the_same_tasks_and_its_models_with_each_other():
    """Without any file: watts by policy, simulated, how often the models agree, and a plot."""
    # The bounds of few classes are solved at once.
    done = negawatt(
        "simulate", "place", "--scenario", "paper", "--fleet", "two-generations",
        "--policy", ",".join(POLICIES), "--output", "json",
    )  # fmt: skip
    document = json.loads(done.stdout)
    watts = {name: row["watts"]["on_half"] for name, row in document["mean"]["policies"].items()}
    page = standard_page(document)

    assert done.returncode == 0, done.stderr
    assert document["simulated"] is True
    assert tuple(watts) == POLICIES
    assert watts["predict-regressor"] < watts["random"]
    assert 0 < document["agreement"]["mean"]["same_class_ratio"] <= 1
    assert "<svg" in page
    assert "the same type of server for" in page
