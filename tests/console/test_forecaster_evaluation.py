"""`negawatt forecaster evaluate` and `convert`, with the real engine on a few hours of traffic."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import negawatt
from rich.console import Console

from console.commands import forecaster_evaluation
from console.forecast_tables import _table, fitting
from forecaster.model_set import SHIPPED


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """Two series of four hours."""
    folder = tmp_path_factory.mktemp("traces")
    files = []
    for seed, name in enumerate(("shop", "cart")):
        values = np.random.default_rng(seed).normal(1000, 50, 240)
        values[200:210] *= 2
        rows = [f"{1_700_000_000 + 60 * place},{value:.6g}" for place, value in enumerate(values)]
        files.append(folder / f"{name}.csv")
        files[-1].write_text("\n".join(["timestamp,value", *rows]), encoding="utf-8")
    return files


def test_json_has_every_series_and_model(traces):
    """The issue's form: --traces, and files that follow it; a stress case apart."""
    done = negawatt(
        "forecaster", "evaluate", "--traces", traces[0], "--stress", traces[1],
        "--horizons", "5,30", "--output", "json", "--jobs", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found["series"]) == ["shop", "cart"]
    assert found["horizons_minutes"] == [5, 30]
    assert {"mixture", "last-value", "lstm", "ridge", "ets"} <= set(found["geomean"])
    shop = found["series"]["shop"]["models"]
    assert shop["last-value"]["relative_mae_ratio"] == 1.0
    assert shop["mixture"]["relative_mae_ratio"] > 0
    mean = found["geomean"]["mixture"]
    assert mean["relative_mae_ratio"] == pytest.approx(shop["mixture"]["relative_mae_ratio"])
    assert mean["series"] == 1
    assert found["model"]["id"]


def test_two_runs_print_the_same(traces):
    """To the last digit, also in a process of its own, whose sets have another order."""
    arguments = ["forecaster", "evaluate", "--traces", str(traces[0]), "--output", "json"]
    first = json.loads(negawatt(*arguments).stdout)
    second = subprocess.run(
        [sys.executable, "-m", "console", *arguments], env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    again = json.loads(second.stdout)
    # Of a checkout that is edited meanwhile.
    assert first.pop("commit")
    assert again.pop("commit")
    assert json.dumps(first) == json.dumps(again)


def test_markdown_is_a_whole_page_with_the_command_that_makes_it(traces, monkeypatch):
    """Every table of the documentation; the command names no folder of this machine."""
    monkeypatch.chdir(traces[0].parent)
    done = negawatt(
        "forecaster", "evaluate", "--traces", traces[0], "--stress", "cart.csv",
        "--models", "ets,seasonal-naive", "--output", "markdown", "--jobs", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    title, _, page = done.stdout.partition("\n\n    ")
    assert title.startswith("# ")
    command, _, _ = page.partition("\n\n")
    assert shlex.split(command.replace("\\\n", " "))[:7] == [
        "negawatt", "forecaster", "evaluate", "--traces", "shop.csv", "--stress", "cart.csv",
    ]  # fmt: skip
    assert "--models ets,seasonal-naive" in command
    assert "simulated" in page
    for row in (
        "| MAE / last value | shop | cart (stress) | geometric mean | series |",
        "| series | MAE / last value |",
        "| interval score | shop |",
        "| in 80 % | shop |",
        "| seasonal-naive | silent | silent | – | 0 | 0 % |",
    ):
        assert row in page, page
    assert max(len(line) for line in page.splitlines() if not line.startswith("|")) <= 100


def test_a_page_needs_no_network(traces, tmp_path):
    """Tables and plots in one file; the same series as in the table."""
    page = tmp_path / "page.html"
    done = negawatt("forecaster", "evaluate", "--traces", *traces, "--output", "html",
                    "--file", page, "--jobs", 1)  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 4
    assert "src=" not in text
    assert "shop: 24 hours from" in text
    assert "Calibration" in text
    assert "time of day, UTC" in text


def test_the_table_names_models_and_what_it_rests_on(traces):
    """Wide enough for every column."""
    done = negawatt("forecaster", "evaluate", "--traces", traces[0], "--models", "ets")
    assert done.returncode == 0, done.stderr
    for said in ("mixture", "ets", "last-value", "false alarms/day", "commit"):
        assert said in done.stdout
    assert "lstm" not in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--traces", "none.csv"], "none.csv: cannot be read"),
        (["--horizons", "7"], "'7' is not forecast"),
        (["--zero-shot"], "name their folder with --models-folder"),
        (["--models-folder", "none"], "holds no models"),
        (["--output", "xml"], "there is no output 'xml'"),
        (["--models", "arma"], "there is no model 'arma'"),
        (["--models", "arma"], "known: mixture, last-value, seasonal-naive, seasonal-naive-day"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(traces, options, said):
    """What, where, how to mend."""
    files = [] if "--traces" in options else ["--traces", traces[0]]
    done = negawatt("forecaster", "evaluate", *files, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_page_is_not_poured_onto_a_terminal(traces, monkeypatch):
    """Before the work begins it asks for a file."""
    terminal = SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(forecaster_evaluation, "sys", terminal)
    done = negawatt("forecaster", "evaluate", "--traces", traces[0], "--output", "html")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--file" in done.stderr


@pytest.mark.parametrize("columns", [160, 80, 50])
def test_a_table_is_cut_nowhere(columns):
    """In a narrow terminal it is turned over, or comes in pieces: every figure in one of them."""
    headings = ["series", *(f"score {place}" for place in range(12))]
    rows = [[f"workload-{row}", *(f"{row}.{place:05}" for place in range(12))] for row in range(9)]
    for given in ([headings, *rows], [headings, *rows[:2]]):
        pieces = list(fitting(given, columns))
        assert all(
            len(line) <= columns for piece in pieces for line in drawn(piece, columns).splitlines()
        )
        text = "".join(drawn(piece, columns) for piece in pieces)
        assert "…" not in text
        assert all(cell in text for row in given for cell in row)


def drawn(piece, columns):
    """What a terminal of so many columns shows."""
    console = Console(file=io.StringIO(), width=columns)
    console.print(_table(piece))
    return console.file.getvalue()


def test_convert_writes_traces(tmp_path):
    """One set, from a made-up original of Microsoft's form."""
    (tmp_path / "mongo-01.csv").write_text(
        "TimeStamp,Value,Label\n2018-04-25T00:00:00Z,6.5,0\n2018-04-25T00:01:00Z,7,0\n",
        encoding="utf-8",
    )
    done = negawatt(
        "forecaster", "convert", tmp_path, "--out", tmp_path / "out", "--output", "json"
    )
    assert done.returncode == 0, done.stderr
    trace = json.loads(done.stdout)["traces"][0]
    assert (trace["name"], trace["minutes"], trace["rows"]) == ("mongo-01", 2, 2)
    again = negawatt("forecaster", "convert", tmp_path / "out", "--out", tmp_path)
    assert again.returncode == 2
    assert "holds no development set" in again.stderr


def test_what_is_done_to_a_trace_is_said_before_a_network_is_tuned_to_it(tmp_path):
    """As where it is judged; the folder is refused after it."""
    trace = tmp_path / "shop.csv"
    trace.write_text("timestamp,value\n60,1\n0,2\n120,3\n", encoding="utf-8")
    done = negawatt("forecaster", "fine-tune", trace, "--into", SHIPPED)
    assert done.returncode == 2
    note, mistake = done.stderr.splitlines()
    assert note == "shop: time runs backwards 1 times: the rows were sorted"
    assert "is where the models come from" in mistake
