"""The page on predictions shows what the service answers, and its limits are the service's."""

from __future__ import annotations

import json
import re

import pytest
import repository
from prediction_caller import FIGURE_2, RESULT, document, predict

from extender.prediction.app import create_prediction_app
from extender.prediction.request import ID_LENGTH_MAX, SERVERS_MAX, GivenServer, PredictRequest
from extender.prediction.service import PredictionService
from extender.settings import ExtenderSettings

TEXT = (repository.ROOT / "docs/reference/prediction-api.md").read_text(encoding="utf-8")
EXAMPLES = {"figure 2": FIGURE_2, "results": RESULT}
ANSWERS = re.findall(
    r"^\| (figure 2|results) \| `([\w-]+)` \| (\w+) \| (.*?) \| (.*?) \|$", TEXT, re.MULTILINE
)


def test_the_paper_s_examples_answer_as_shown() -> None:
    """Best server, costs and reason of each example by each model."""
    pytest.importorskip("onnxruntime", reason="the extra `regressor` is not installed")
    service = PredictionService()
    app = create_prediction_app(service, ExtenderSettings())
    try:
        assert len(ANSWERS) == 4
        for example, model, best, costs, reason in ANSWERS:
            answer = predict(app, document(EXAMPLES[example], model=model)).json()
            told = [f"{each['id']}: {each['cost_watts']:.3f}" for each in answer["servers"]]
            assert (answer["best_server"], ", ".join(told)) == (best, costs)
            assert answer["reason"] == reason
    finally:
        service.close()


def test_the_examples_are_the_paper_s() -> None:
    """What is shown to be sent gives the fields of both examples."""
    sent = [
        json.loads(re.sub(r"\n +", " ", block))
        for block in re.findall(r'^    (\{"task_load".*?\]\})$', TEXT, re.DOTALL | re.MULTILINE)
    ]
    given = [
        {one["id"]: (one["cpus"], one["memory"], one["energy_rate"]) for one in each["servers"]}
        for each in sent
    ]
    assert given == [FIGURE_2, RESULT]


def test_every_limit_stands_beside_its_field() -> None:
    """The table's numbers are those that requests are checked by."""
    row = re.compile(r"^\| `(?:servers\[\]\.)?(\w+)` \| [^|]*\| ([^|]*) \|", re.MULTILINE)
    rows = dict(row.findall(TEXT))
    schema = GivenServer.model_json_schema()["properties"]
    schema["task_load"] = PredictRequest.model_json_schema()["properties"]["task_load"]
    for name in ("task_load", "cpus", "memory", "energy_rate", "cpu_usage"):
        least, most = schema[name]["minimum"], schema[name]["maximum"]
        assert rows[name] == f"{least:g} to {most:,}"
    assert f"{SERVERS_MAX:,} servers" in rows["servers"]
    assert f"{ID_LENGTH_MAX} characters" in rows["id"]
