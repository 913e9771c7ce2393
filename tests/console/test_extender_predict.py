"""`negawatt extender predict`: the paper's service alone, as a process, without a cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from urllib.request import Request, urlopen

import pytest
from command_line import negawatt
from prediction_caller import FIGURE_2, document

SECONDS_MAX = 60
HEAVY = ("kubernetes", "highspy", "onnxruntime", "sklearn", "scipy", "matplotlib")


def imported(module):
    """Modules that a fresh Python has after an import."""
    script = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_it_answers_and_remembers_without_a_cluster(tmp_path):
    """From the command to the history, and an orderly end."""
    pytest.importorskip("onnxruntime", reason="the extra `regressor` is not installed")
    ledger = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    command = [sys.executable, "-m", "console", "extender", "predict", "--port", "0",
               "--ledger-url", ledger, "--drain-seconds", "0"]  # fmt: skip
    environ = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            line = process.stdout.readline()
            url = line.split()[2].removesuffix(":")
            asked = Request(  # noqa: S310 - ours
                f"{url}/predict",
                data=json.dumps(document(FIGURE_2)).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urlopen(asked, timeout=SECONDS_MAX) as reply:  # noqa: S310 - ours
                answer = json.load(reply)
            with urlopen(f"{url}/readyz", timeout=SECONDS_MAX) as ready:  # noqa: S310 - ours
                assert ready.read() == b"ok\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS_MAX) == 0
        finally:
            process.kill()

    from ledger.store import Ledger

    with Ledger.open(ledger) as opened:
        [kept] = opened.predictions().predictions
    assert line.endswith("/predict\n")
    assert (answer["best_server"], kept.best_server) == ("102", "102")
    assert kept.predicted_at_seconds == answer["predicted_at_seconds"]


def test_without_onnxruntime_it_says_so_in_one_line(monkeypatch):
    """Before it listens, and with what mends it."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    done = negawatt("extender", "predict", "--port", "0", "--ledger-url", "none")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "predictions need onnxruntime; install negawatt with the extra" in done.stderr


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--host", "0.0.0.0"), "can be reached by others"),  # noqa: S104 - refused
        (("--allowed-origins", "tools.example"), "must be origins such as"),
        (("--allowed-origins", "https://a/b"), "must be origins such as"),
    ],
)
def test_settings_that_cannot_be_are_one_line(options, line):
    """The same as of the extender."""
    done = negawatt("extender", "predict", "--ledger-url", "none", *options)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert line in done.stderr


def test_it_starts_without_what_others_need():
    """No cluster, no solver; the models are loaded while it listens already."""
    assert imported("extender.prediction.__main__").isdisjoint(HEAVY)


def test_what_scores_pods_knows_nothing_of_it():
    """The hot path imports none of it."""
    found = imported("extender.app, extender.core, extender.service")

    assert "extender.verbs" in found
    assert not [each for each in found if each.startswith("extender.prediction")]
