"""`negawatt doctor` tells the truth about what is there, and fails only when asked to."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path

import components
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from console.cli import app
from console.commands.doctor import alike, inspect, report
from console.inspection.finding import Finding, State, dotted, lacking
from console.inspection.installation import (
    DISTRIBUTION,
    EXTRAS,
    NOT_INSTALLED,
    PYTHON_MAXIMUM,
    PYTHON_MINIMUM,
    by_extra,
    extra_finding,
    modules_by_distribution,
    package_finding,
    package_findings,
    problem_with,
    python_finding,
)
from console.inspection.programs import (
    ENABLES,
    PROGRAMS,
    Program,
    component_finding,
    program_finding,
    toolchain_findings,
)
from console.inspection.shipped import data_finding
from console.inspection.surroundings import cluster_finding, loopback_finding
from energy.errors import InputError, UnavailableError
from simulator.sandbox.toolchain import BuiltComponent

PYPROJECT = tomllib.loads((components.CHECKOUT / "pyproject.toml").read_text())
RECIPE = tomllib.loads((components.CHECKOUT / "deploy/local/toolchain.toml").read_text())
PROGRAM = Program(arguments=("--version",), enables="a test", get="write one")


def script(folder: Path, text: str) -> Path:
    """Write a program that says `text`."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_every_extra_of_the_project_is_explained() -> None:
    """A new extra without a sentence on what it enables is noticed here."""
    assert EXTRAS.keys() == PYPROJECT["project"]["optional-dependencies"].keys()


def test_every_component_of_the_toolchain_is_explained() -> None:
    """The same for a new component of the recipe."""
    assert ENABLES.keys() == {entry["name"] for entry in RECIPE["components"]}


def test_requirements_are_sorted_by_extra() -> None:
    """Requirements of no extra are not the doctor's business; markers of Python are ignored."""
    requirements = [
        "numpy>=2.2",
        "onnxruntime>=1.20; extra == 'regressor'",
        'skl2onnx>=1.18; extra == "energy-training"',
        "tensorflow>=2.19; (python_version < '3.14') and extra == 'forecaster-training'",
    ]

    assert by_extra(requirements) == {
        "regressor": ["onnxruntime"],
        "energy-training": ["skl2onnx"],
        "forecaster-training": ["tensorflow"],
    }


def test_libraries_of_training_are_got_as_training_itself_says() -> None:
    """By one command of make, so that nobody wonders which of two ways is right."""
    found = extra_finding("forecaster-training", ["tensorflow"], lambda _one: NOT_INSTALLED)
    other = extra_finding("backtest", ["statsmodels"], lambda _one: NOT_INSTALLED)

    assert found.get.startswith("run `make training-libraries`, or install the extra: `")
    assert other.get.startswith("install the extra: `")


@given(st.lists(st.text(max_size=60)))
def test_strange_requirements_are_survived(requirements: list[str]) -> None:
    """Metadata is written by others: whatever it says, the doctor goes on."""
    by_extra(requirements)


def test_library_that_is_installed_and_cannot_be_imported_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library may be there and lack a system library of its own: being listed is not enough."""
    (tmp_path / "lacks_libgomp.py").write_text(
        "raise OSError('libgomp.so.1: cannot open\\nshared object file')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    modules = {"lightgbm": ["lacks_libgomp"], "numpy": ["numpy"]}

    finding = extra_finding(
        "energy-training", ["lightgbm", "numpy"], lambda one: problem_with(one, modules)
    )

    assert finding.state is State.BROKEN
    assert finding.found == "lightgbm: OSError: libgomp.so.1: cannot open shared object file"
    assert finding.get.endswith("apt-get install libgomp1")


def test_library_is_found_by_a_name_that_is_written_otherwise() -> None:
    """To pip prometheus_client, Prometheus.Client and prometheus-client are one name."""
    modules = modules_by_distribution({"json": ["prometheus_client"]})

    assert [
        problem_with(name, modules)
        for name in ("prometheus-client", "Prometheus.Client", "prometheus-clients")
    ] == ["", "", NOT_INSTALLED]


def test_extra_with_one_library_absent_is_missing() -> None:
    """Half an extra is none, and the absent half is named."""
    problems = {"scipy": "", "highspy": NOT_INSTALLED}

    finding = extra_finding("simulate", ["scipy", "highspy"], problems.__getitem__)

    assert (finding.state, finding.found) == (State.MISSING, "not installed: highspy")
    assert "--extra simulate" in finding.get


@pytest.mark.parametrize(
    ("origin", "owners", "state", "said"),
    [
        ("ours/energy", (), State.PRESENT, "ours/energy"),
        ("ours/energy", ("negawatt",), State.PRESENT, "ours/energy"),
        ("theirs/energy", ("energy-toolbox",), State.BROKEN, "shadowed"),
        ("ours/energy", ("negawatt", "energy-toolbox"), State.BROKEN, "energy-toolbox"),
        (None, (), State.BROKEN, "cannot be imported"),
    ],
)
def test_package_that_another_distribution_brings_is_found_out(
    origin: str | None, owners: tuple[str, ...], state: State, said: str
) -> None:
    """Our packages have plain names: another `energy` on the path must not pass for ours."""
    place = Path(origin) if origin else None
    finding = package_finding("energy", origin=place, ours=Path("ours"), owners=owners)

    assert finding.state is state
    assert said in finding.found


def test_our_own_packages_are_where_they_should_be() -> None:
    """In this environment nothing shadows anything."""
    findings = list(package_findings())

    assert [finding.name for finding in findings] == sorted(
        PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    )
    assert {finding.state for finding in findings} == {State.PRESENT}


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ((3, 10, 9), State.BROKEN),
        ((3, 11, 0), State.PRESENT),
        ((3, 14, 2), State.PRESENT),
        ((3, 15, 0), State.BROKEN),
    ],
)
def test_python_is_judged_by_its_version(version: tuple[int, int, int], state: State) -> None:
    """3.10 sorts before 3.11, as numbers and not as texts; the lock file ends at 3.14."""
    assert python_finding(version, "python3").state is state


@pytest.mark.parametrize(
    ("error", "state", "found"),
    [
        (ValueError("line 3:\n  bad"), State.BROKEN, "ValueError: line 3: bad"),
        (InputError("checksum differs", where="a.onnx"), State.BROKEN, "a.onnx: checksum differs"),
        (UnavailableError("no such file", where="a.onnx"), State.MISSING, "a.onnx: no such file"),
    ],
)
def test_data_that_cannot_be_loaded_is_one_row_and_no_traceback(
    error: Exception, state: State, found: str
) -> None:
    """An absent file is missing, a damaged one broken; our own errors are shown as they are."""

    def load() -> str:
        raise error

    finding = data_finding("energy-cost regressor", "curves", load)

    assert (finding.state, finding.found) == (state, found)


@pytest.mark.parametrize(
    ("text", "state", "found"),
    [
        ("echo etcd Version: 3.6.8", State.PRESENT, "3.6.8"),
        ("echo etcd Version: 3.5.1", State.BROKEN, "says etcd Version: 3.5.1 instead of 3.6.8"),
        ("exit 1", State.BROKEN, "says nothing instead of 3.6.8"),
    ],
)
def test_component_is_asked_and_not_believed(
    tmp_path: Path, text: str, state: State, found: str
) -> None:
    """The stamp says which version was built; the program has the last word."""
    component = BuiltComponent(
        name="etcd",
        kind="go",
        version="3.6.8",
        answers=("--version",),
        paths=(script(tmp_path, text),),
    )
    finding = component_finding(component, "a cluster")

    assert (finding.state, finding.found) == (state, found)


def test_component_whose_files_are_gone_is_broken(tmp_path: Path) -> None:
    """Somebody tidied the cache."""
    component = BuiltComponent(
        name="kafka", kind="maven", version="4.3.1", answers=(), paths=(tmp_path / "kafka",)
    )
    finding = component_finding(component, "a broker")

    assert finding.state is State.BROKEN
    assert str(tmp_path / "kafka") in finding.found


def test_without_a_toolchain_every_component_says_what_it_would_enable(tmp_path: Path) -> None:
    """The reader learns what the ten minutes would buy."""
    findings = list(toolchain_findings({"NEGAWATT_CACHE": str(tmp_path)}))

    assert {finding.state for finding in findings} == {State.MISSING}
    assert {finding.name for finding in findings} == {"toolchain folder", *ENABLES}
    assert all(finding.enables and "make toolchain" in finding.get for finding in findings)


@pytest.mark.parametrize("text", ["not json", "{}", '{"name": "etcd"}'])
def test_damaged_stamp_does_not_stop_the_doctor(tmp_path: Path, text: str) -> None:
    """A stamp that cannot be read counts as no toolchain."""
    stamps = tmp_path / "toolchain/current/stamps"
    stamps.mkdir(parents=True)
    (stamps / "etcd.json").write_text(text)

    findings = list(toolchain_findings({"NEGAWATT_CACHE": str(tmp_path)}))

    assert {finding.state for finding in findings} == {State.MISSING}


@pytest.mark.parametrize(
    ("text", "state"),
    [("echo v 2.42.0 >&2", State.PRESENT), ("exit 127", State.BROKEN), (None, State.MISSING)],
)
def test_program_must_say_its_version(tmp_path: Path, text: str | None, state: State) -> None:
    """Java says it on the error output; a program that says nothing is broken."""
    path = str(script(tmp_path, text)) if text else None

    assert program_finding("prometheus", PROGRAM, path).state is state


JAVA_11 = """echo 'openjdk version "11.0.24" 2024-07-16' >&2"""
JAVA_17 = """echo 'openjdk version "17.0.12" 2024-07-16' >&2"""
JAVA_21 = """printf 'openjdk version "21" 2023-09-19\nOpenJDK Server VM (build 21+35)\n' >&2"""
JAVA_8 = """echo 'java version "1.8.0_411"' >&2"""


@pytest.mark.parametrize(
    ("name", "text", "state", "said"),
    [
        ("java", JAVA_8, State.BROKEN, "is too old: 17 or later is needed"),
        ("java", JAVA_11, State.BROKEN, "11.0.24"),
        ("java", JAVA_17, State.PRESENT, "17.0.12"),
        ("java", JAVA_21, State.PRESENT, "21 ("),
        ("go", "echo go version go1.19.8 linux/amd64", State.BROKEN, "1.26 or later is needed"),
        ("go", "echo go version go1.26.8 linux/amd64", State.PRESENT, "1.26.8"),
        ("go", "echo go version go1.26 linux/amd64", State.PRESENT, "1.26"),
        ("go", "echo go version go2.0 linux/amd64", State.PRESENT, "2.0"),
        ("mvn", "echo Apache Maven 3.8.7", State.PRESENT, "3.8.7"),
    ],
)
def test_program_that_is_too_old_is_broken(
    tmp_path: Path, name: str, text: str, state: State, said: str
) -> None:
    """Debian's own Go and an old Java answer and will not do; the reason stands beside them."""
    finding = program_finding(name, PROGRAMS[name], str(script(tmp_path, text)))

    assert finding.state is state
    assert said in finding.found


def test_oldest_versions_are_those_that_the_recipes_need() -> None:
    """Whoever raises Kubernetes, Kafka or Python raises what the doctor asks for."""
    module = (components.CHECKOUT / "deploy/local/kubernetes/go.mod").read_text()
    go = re.search(r"^go (\d+)\.(\d+)", module, re.MULTILINE)
    assert go is not None

    assert PROGRAMS["go"].minimum == tuple(map(int, go.groups()))
    assert PROGRAMS["java"].minimum == (components.JAVA_VERSION_MINIMUM,)
    assert PYPROJECT["project"]["requires-python"] == f">={dotted(PYTHON_MINIMUM)}"
    markers = tomllib.loads((components.CHECKOUT / "uv.lock").read_text())["supported-markers"]
    assert f"'{PYTHON_MAXIMUM[0]}.{PYTHON_MAXIMUM[1] + 1}'" in markers[0]


def test_address_that_is_not_ours_cannot_be_listened_on() -> None:
    """The check really binds: an address of documentation (RFC 5737) fails it."""
    assert loopback_finding().state is State.PRESENT
    assert loopback_finding("192.0.2.1").state is State.BROKEN


class Version(BaseHTTPRequestHandler):
    """Answers like an API server's /version."""

    def do_GET(self) -> None:
        """Send a version, whatever the path."""
        body = json.dumps({"major": "1", "minor": "36", "gitVersion": "v1.36.4"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api_server() -> Iterator[int]:
    """Serve /version on loopback; gives the port."""
    server = HTTPServer(("127.0.0.1", 0), Version)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(folder: Path, port: int) -> Path:
    """Write a kubeconfig for a server on loopback."""
    path = folder / "kubeconfig.json"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "users": [{"name": "u", "user": {}}],
                "current-context": "c",
            }
        )
    )
    return path


def test_cluster_of_the_kubeconfig_is_asked_for_its_version(
    tmp_path: Path, api_server: int
) -> None:
    """A reachable cluster is reported with its version and address."""
    finding = cluster_finding({"KUBECONFIG": str(kubeconfig(tmp_path, api_server))})

    assert finding.state is State.PRESENT
    assert finding.found == f"v1.36.4 at http://127.0.0.1:{api_server}"


def test_cluster_that_does_not_answer_is_optional(tmp_path: Path) -> None:
    """A port where nobody listens, and a kubeconfig that is not there, are only reported."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = cluster_finding({"KUBECONFIG": str(kubeconfig(tmp_path, nobody.getsockname()[1]))})
    absent = cluster_finding({"KUBECONFIG": str(tmp_path / "none")})

    assert (dead.state, dead.optional) == (State.MISSING, True)
    assert (absent.state, absent.optional) == (State.MISSING, True)
    assert "\n" not in dead.found + absent.found


def finding(name: str, *, state: State = State.MISSING, optional: bool = False) -> Finding:
    """Make a finding of which only the given parts matter."""
    return Finding(
        topic="topic",
        name=name,
        state=state,
        found="",
        enables="a test",
        get="write it",
        optional=optional,
    )


def test_what_matters_most_comes_first_and_alike_lines_are_one() -> None:
    """Fifteen lines that all say `make toolchain` would hide the one that does not."""
    findings = [
        finding("d", optional=True),
        finding("a"),
        finding("b", state=State.PRESENT),
        finding("c"),
    ]

    assert alike(lacking(findings)) == {
        ("a test", "write it", False): ["a", "c"],
        ("a test", "write it", True): ["d"],
    }


def test_report_counts_what_it_lists() -> None:
    """The counts are those of the findings, and every value can be written as JSON."""
    findings = [finding("a"), finding("b", state=State.PRESENT), finding("c", state=State.BROKEN)]
    told = report(findings)

    assert told["counts"] == {"present": 1, "missing": 1, "broken": 1}
    assert json.loads(json.dumps(told)) == told


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it look as if nothing but Negawatt were installed.

    It does without the libraries of training, which take many seconds to import.
    """
    wanted = metadata.requires(DISTRIBUTION) or ()
    light = [each for each in wanted if "training" not in each]
    assert 0 < len(light) < len(wanted)
    monkeypatch.setattr(metadata, "requires", lambda _name: light)
    monkeypatch.setenv("NEGAWATT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize(("options", "code"), [([], 0), (["--strict"], 1)])
def test_bare_machine_fails_only_when_strict(options: list[str], code: int) -> None:
    """The doctor reports; a script that wants a verdict asks for it."""
    answer = CliRunner().invoke(app, ["doctor", "--output", "json", *options])
    told = json.loads(answer.stdout)

    assert answer.exit_code == code
    by_name = {one["name"]: one for one in told["findings"]}
    assert by_name["kube-apiserver"]["state"] == "missing"
    assert by_name["java"]["state"] == "missing"
    assert by_name["Python"] == by_name["Python"] | {"state": "present", "get": ""}


@pytest.mark.usefixtures("bare_machine")
def test_table_names_what_lacks_and_how_to_get_it() -> None:
    """The table's reader sees the same as the program that reads the JSON."""
    answer = CliRunner().invoke(app, ["doctor"])

    assert answer.exit_code == 0
    assert re.search(r"^lacking +would enable +how to get it", answer.stdout, re.MULTILINE)
    assert "apt-get install openjdk-17-jdk-headless" in answer.stdout
    assert "make toolchain" in answer.stdout


def test_unknown_output_is_bad_usage() -> None:
    """A typing error in --output is an error of input, before anything is looked at."""
    answer = CliRunner().invoke(app, ["doctor", "--output", "yaml"])

    assert "there is no output 'yaml'" in str(answer.exception)


@pytest.mark.toolchain
def test_built_toolchain_is_whole() -> None:
    """Where `make toolchain` has run, the doctor finds each program answering."""
    findings = list(toolchain_findings(os.environ))

    assert [one for one in findings if one.state is not State.PRESENT] == []


@pytest.mark.usefixtures("bare_machine")
def test_inspection_changes_nothing(tmp_path: Path) -> None:
    """Looking leaves no file behind."""
    assert list(inspect({"NEGAWATT_CACHE": str(tmp_path / "cache"), "PATH": ""}))
    assert list(tmp_path.iterdir()) == []
