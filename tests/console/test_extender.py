"""`negawatt extender`: one command to run it, two to ask it, and one line when that fails."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from certificates import Authority
from command_line import negawatt
from served_extender import served
from steady_scorer import SteadyScorer, explanation, figures

from console.extender_tables import show_explanation
from console.output import stdout
from extender.settings import ExtenderSettings
from telemetry.serving import access
from telemetry.serving.given_settings import flag

TOKEN = "a-token-of-some-length"  # noqa: S105 - it opens nothing
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: nowhere
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: nobody, user: {}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
"""


@pytest.fixture(scope="module")
def url():
    """An extender that knows the pods web-… of the namespace shop."""
    with served(ExtenderSettings(port=0)) as url:
        yield url


@pytest.fixture
def guarded(tmp_path, monkeypatch):
    """The URL of one that wants a token, and the file with it."""
    monkeypatch.setattr(access, "LOCAL", frozenset())
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    with served(ExtenderSettings(port=0, token_file=file)) as url:
        yield url, file


def complaint(*arguments, code):
    """The single line of a command that fails."""
    done = negawatt("extender", *arguments)

    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.count("\n") == 1
    return done.stderr


def squeezed(text):
    """Without the line breaks and gaps of a table."""
    return " ".join(text.split())


def test_a_pod_is_explained_sentence_first(url):
    """Where it is, where we would have put it, why; then what that rests on."""
    done = negawatt("extender", "explain", "shop", "web-1", "--url", url)

    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.startswith("shop/web-1 is on node-2; we would have chosen node-1: ")
    assert "[W]" in first, "a bracket in a reason is no markup"
    assert "forgone   +2.00 W (chosen minus preferred; predicted, not measured)" in done.stdout
    assert "500 millicores and 256 MiB by requests: the pod requests it" in done.stdout
    assert "nodes that cannot take it: too full: 2" in done.stdout
    assert "note: load of node-3 is 6 s old" in done.stdout


def test_every_candidate_has_its_figures_with_source_and_age(url):
    """Chosen, preferred and runner-up are marked."""
    said = negawatt("extender", "explain", "shop", "web-1", "--url", url).stdout

    rows = {line.split()[0]: squeezed(line) for line in said.splitlines() if line[:5] == "node-"}
    assert rows == {
        "node-1": "node-1 preferred 10 3.50 specpower 0% prometheus, 4 s old 50% "
        "rank 0: cheapest core",
        "node-2": "node-2 chosen, runner-up 9 5.50 specpower 25% prometheus, 5 s old 50% "
        "rank 1: dearer core",
        "node-3": "node-3 8 7.50 specpower 50% prometheus, 6 s old 50% rank 2: would wake",
    }


def test_an_explanation_is_json_for_programs(url):
    """As the extender gave it."""
    done = negawatt("extender", "explain", "shop", "web-1", "--url", url, "--output", "json")

    assert json.loads(done.stdout) == json.loads(explanation().model_dump_json())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"node_chosen": "node-1", "reason": "it is cheap"},
            "shop/web-1 is on node-1, which is the node that we prefer: it is cheap.",
        ),
        (
            {"state": "pending", "node_chosen": None, "reason": "it is cheap."},
            "shop/web-1 has no node yet; now we would choose node-1: it is cheap.",
        ),
        (
            {"state": "pending", "node_chosen": None, "node_preferred": None, "candidates": ()},
            "shop/web-1 has no node yet; now we would choose none: ",
        ),
        (
            {"skipped": "it asks to be ignored", "candidates": (), "forgone_watts": None},
            "shop/web-1 is not ranked: it asks to be ignored.",
        ),
    ],
)
def test_each_state_has_its_sentence(change, sentence, capsys):
    """Bound as we prefer, not bound yet, nowhere to go, not ours to rank."""
    show_explanation(explanation(**change), stdout())

    assert capsys.readouterr().out.startswith(sentence)


def test_candidates_that_are_not_shown_are_counted(capsys):
    """A large cluster's list is cut by the extender."""
    show_explanation(explanation(candidate_count=103), stdout())

    assert "and 100 more candidates" in capsys.readouterr().out


def test_savings_are_a_table_with_a_sum(url):
    """Signed; what is forgone is predicted."""
    by_namespace = negawatt("extender", "savings", "--url", url)
    by_workload = negawatt("extender", "savings", "--by", "workload", "--url", url)

    rows = [squeezed(line) for line in by_namespace.stdout.splitlines()]
    assert rows[1:4] == [
        "shop +10.50 +0.0011 7",
        "blog +3.25 +0.0000 2",
        "all +13.75 +0.0011 9",
    ]
    assert "not measured" in by_namespace.stdout
    assert "shop Job/nightly -2.00 -0.0000 2" in map(squeezed, by_workload.stdout.splitlines())


def test_savings_are_json_for_programs(url):
    """With the rows and the sum."""
    done = negawatt("extender", "savings", "--url", url, "--output", "json")

    assert json.loads(done.stdout)["forgone_watts"] == pytest.approx(13.75)


def test_no_savings_are_an_empty_table():
    """An extender that has just started."""
    with served(ExtenderSettings(port=0), SteadyScorer(state=figures(forgone={}))) as url:
        done = negawatt("extender", "savings", "--url", url)

    assert done.returncode == 0
    assert "all +0.00 +0.0000 0" in map(squeezed, done.stdout.splitlines())


@pytest.mark.parametrize("pod", ["nobody", "..", "a b\n[red]", "é", "%2F"])
def test_an_unknown_pod_is_one_line(url, pod):
    """Whatever its name is."""
    said = complaint("explain", "shop", pod, "--url", url, code=2)

    assert "no pod shop/" in said
    assert "kubectl get pods" in said


@pytest.mark.parametrize("pod", ["../..", "a/b", ""])
def test_what_cannot_be_a_name_is_refused(pod):
    """It would be another path."""
    assert "is no name" in complaint("explain", "shop", pod, code=2)


def test_a_token_is_asked_for_and_taken(guarded, tmp_path):
    """From a file, so that it is in no history."""
    url, file = guarded
    wrong = tmp_path / "wrong"
    wrong.write_text("another")

    without = complaint("savings", "--url", url, code=2)
    mistaken = complaint("savings", "--url", url, "--token-file", wrong, code=2)
    done = negawatt("extender", "savings", "--url", url, "--token-file", file)

    assert "a token is needed" in without
    assert "the token is wrong" in mistaken
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (None, "cannot be read"),
        (b"", "holds no token"),
        (b"a\nb", "token"),
        (b"\xff", "plain text"),
    ],
)
def test_a_file_without_a_token_is_named(tmp_path, content, wanted):
    """Before anything is asked."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)

    said = complaint("savings", "--token-file", file, code=2)

    assert str(file) in said
    assert wanted in said


def test_https_is_checked_with_the_ca_that_is_named(tmp_path):
    """And refused without it."""
    authority = Authority.create(tmp_path)
    server = authority.sign("server")
    settings = ExtenderSettings(port=0, tls_cert_file=server.certificate, tls_key_file=server.key)
    with served(settings) as url:
        unknown = complaint("savings", "--url", url, code=1)
        done = negawatt(
            "extender", "savings", "--url", url, "--ca-file", authority.root.certificate
        )

    assert "CERTIFICATE_VERIFY_FAILED" in unknown
    assert done.returncode == 0, done.stderr


def test_a_ca_file_that_is_none_is_named(tmp_path):
    """Not a traceback of OpenSSL's."""
    file = tmp_path / "ca.pem"
    file.write_text("rubbish")

    assert "holds no CA certificates" in complaint("savings", "--ca-file", file, code=2)


def test_an_extender_that_does_not_run_is_said_with_how_to_start_it():
    """The port was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    said = complaint("explain", "shop", "web-1", "--url", url, code=1)

    assert "no extender answers (Connection refused)" in said
    assert "negawatt extender run" in said


@pytest.mark.parametrize("url", ["127.0.0.1:10380", "ftp://127.0.0.1", "http://", "file:///etc"])
def test_what_is_no_url_is_refused(url):
    """Urllib would read files as well."""
    assert "is no URL" in complaint("savings", "--url", url, code=2)


@contextmanager
def stranger(status, body):
    """Some other program's HTTP server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (404, b"<html>"),
        (404, b'{"detail":"Not Found"}'),
        (401, b"[]"),
        (500, b""),
        (200, b"\xff"),
    ],
)
def test_another_program_on_that_port_is_not_believed(status, body):
    """It may answer anything."""
    with stranger(status, body) as url:
        said = complaint("savings", "--url", url, code=1)

    assert "no extender of this version" in said


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--mode", "Act"], "--mode: input should be 'observe' or 'act'"),
        (["run", "--port", "70000"], "--port: "),
        (["--host", "10.0.0.1"], "add --token-file or --tls-client-ca-file"),
        (["--rule", "magic"], "no rule is named magic"),
        (["--kubeconfig", "/nonexistent"], "/nonexistent: no such kubeconfig"),
        (["--nope"], "No such option: --nope"),
        (["savings", "--by", "colour"], "--by: nothing is summed by 'colour'"),
        (["savings", "--output", "yaml"], "--output: "),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments, wanted):
    """A flag that cannot be is named, before a port is taken."""
    assert wanted in complaint(*arguments, code=2)


def test_every_setting_is_a_flag_of_run():
    """With the text of the reference page."""
    said = squeezed(negawatt("extender", "run", "--help").stdout)

    missing = [name for name in ExtenderSettings.model_fields if flag(name)[:17] not in said]
    assert missing == []


@pytest.mark.parametrize("command", [["run"], []])
def test_it_runs_until_told_to_end(command, tmp_path):
    """With or without `run`: it listens at once, knows no cluster, and ends as it was asked."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    options = ["--mode", "observe", "--kubeconfig", str(tmp_path / "kubeconfig"), "--port", "0"]
    own = {"NEGAWATT_STATE": str(tmp_path), "NEGAWATT_EXTENDER__DRAIN_SECONDS": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "console", "extender", *command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **own},
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        url = line.removeprefix("listening on ").strip()
        done = negawatt("extender", "savings", "--url", url)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert line.startswith("listening on http://127.0.0.1:")
    assert (done.returncode, done.stdout) == (1, "")  # a zero would look like an answer
    assert "not ready: nodes and pods have not been listed yet" in done.stderr
    assert process.returncode == 0
    assert (tmp_path / "ledger.sqlite").exists()
