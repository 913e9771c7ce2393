"""The commands of the sandbox's tutorial, in their order, and what the page says that they do."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import repository
from command_line import negawatt
from markdown_it import MarkdownIt
from sandbox_readings import eventually, metered

from simulator.sandbox.fleet_nodes import SERVER_LABEL
from simulator.sandbox.prometheus_configuration import EXTENDER_PORT
from simulator.sandbox.sandbox import Sandbox

PAGE = (repository.ROOT / "docs/tutorials/sandbox.md").read_text(encoding="utf-8")
MANIFEST = next(
    text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "kind" in text
)
ROW = re.compile(
    r"^(node-\d+) .*? (\d+) +([\d.]+)  (\S+) +(\d+)%  (\S+) +(\d+)%  at ", re.MULTILINE
)
METERED = re.compile(r"reads about ([\d,]+) W, where it read\s+([\d,]+) W: (\d+) W less")
PODS = 12
WATTS_APART_MAX = 5.0


def commands(title: str) -> list[list[str]]:
    """What is typed in a section of the page."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    blocks = [one for one in MarkdownIt("commonmark").parse(section) if one.type == "code_block"]
    return [shlex.split(line) for block in blocks for line in block.content.splitlines()]


def shown(title: str) -> list[str]:
    """What a section shows as printed, block by block."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"```\n(.*?)```", section, re.DOTALL)


class Reader:
    """Somebody who follows the page in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "web.yaml").write_text(MANIFEST, encoding="utf-8")

    @property
    def sandbox(self) -> Sandbox:
        """What runs now."""
        return Sandbox.opened(self._folder / "sandbox")

    def types(self, *words: str) -> str:
        """Run a command; what it prints."""
        if words[0] == "kubectl":
            program = [str(self.sandbox.kubectl_program), *words[1:]]
            environ = {**os.environ, "KUBECONFIG": str(self.sandbox.kubeconfig)}
            return subprocess.run(
                program, env=environ, cwd=self._folder, capture_output=True, text=True, check=True
            ).stdout
        where = ()
        if words[1] == "extender" and self.sandbox.ports["extenderPort"] != EXTENDER_PORT:
            where = ("--url", self.sandbox.urls["extender"])  # as `up` has said
        done = negawatt(*words[1:], *where)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def settles(self) -> None:
        """Wait until every pod has its node, and the extender has judged it."""
        eventually(lambda: len([node for node in self.nodes_of_pods() if node]), PODS)
        eventually(lambda: self.savings()["decisions"], PODS)

    def nodes_of_pods(self) -> list[str]:
        """Where the pods are."""
        path = "--output=jsonpath={range .items[*]}{.spec.nodeName} {end}"
        return self.types("kubectl", "get", "pods", path).split()

    def savings(self) -> dict[str, float]:
        """What the extender sums."""
        return json.loads(self.types("negawatt", "extender", "savings", "--output", "json"))

    def pods(self) -> list[str]:
        """Names of the pods."""
        named = self.types("kubectl", "get", "pods", "--output=name").split()
        return [name.removeprefix("pod/") for name in named]

    def explained(self, pod: str) -> dict[str, object]:
        """What the extender says of a pod, for programs."""
        said = self.types("negawatt", "extender", "explain", "default", pod, "--output", "json")
        return json.loads(said)

    def servers(self) -> dict[str, str]:
        """Which server each node is."""
        nodes = json.loads(self.types("kubectl", "get", "nodes", "--output=json"))["items"]
        return {one["metadata"]["name"]: one["metadata"]["labels"][SERVER_LABEL] for one in nodes}

    def watts(self) -> float:
        """What the fleet draws."""
        return sum(metered(self.sandbox, "kepler_platform_watts"))


@pytest.mark.kube
@pytest.mark.slow
def test_page_tells_what_happens(tmp_path: Path, monkeypatch) -> None:
    """From the first command to the fleet that draws less, as much as was predicted."""
    monkeypatch.setenv("NEGAWATT_SANDBOX", str(tmp_path / "sandbox"))
    reader = Reader(tmp_path)
    try:
        for words in commands("Start it"):
            said = reader.types(*words)
            if words[1] == "sandbox":
                (block,) = shown("Start it")
                assert beginnings(said) == beginnings(block)
        eventually(lambda: round(reader.watts()), stated_watts(r"The empty fleet drew ([\d,]+) W"))
        follow(reader, "Run something")
        assert len(set(reader.nodes_of_pods())) == PODS
        spread_watts = eventual_watts(reader, 1)
        ask_why(reader)
        forgone_watts = reader.savings()["forgone_watts"]

        follow(reader, "Let it act")
        assert set(reader.nodes_of_pods()) == {"node-0020", "node-0021"}
        acting_watts = eventual_watts(reader, 0)
        for pod in reader.pods():
            rows = reader.explained(pod)["candidates"]
            assert [row["score"] for row in rows if row["chosen"]] == [10]
    finally:
        negawatt("sandbox", "down")

    predicted = float(METERED.search(PAGE)[3])
    assert forgone_watts == pytest.approx(predicted, abs=WATTS_APART_MAX)
    assert spread_watts - acting_watts == pytest.approx(predicted, abs=WATTS_APART_MAX)


def beginnings(text: str) -> list[str]:
    """What each line that is not a path or a command is about."""
    return [line[:12].strip() for line in text.splitlines() if line and line[0] != " "]


def stated_watts(pattern: str, group: int = 1) -> int:
    """A figure of the page."""
    return int(re.search(pattern, PAGE)[group].replace(",", ""))


def eventual_watts(reader: Reader, which: int) -> float:
    """Wait until the meter reads what the page says that it does; give the reading."""
    stated = stated_watts(METERED.pattern, which + 1)
    eventually(lambda: abs(reader.watts() - stated) < WATTS_APART_MAX, expected=True)
    return reader.watts()


def follow(reader: Reader, title: str) -> None:
    """Do what a section says, and wait for the pods."""
    for words in commands(title):
        reader.types(*words)
    reader.settles()


def ask_why(reader: Reader) -> None:
    """Explain every pod: the page's figures of a server are those that are printed for it."""
    explain, savings = commands("Ask why")
    block, summed = shown("Ask why")
    printed = [reader.types(*explain[:-1], pod) for pod in reader.pods()]
    servers = reader.servers()

    def figures(text: str) -> dict[tuple[str, ...], set[tuple[str, ...]]]:
        found: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        for node, _, watts, curve, load, source, requested in ROW.findall(text):
            found.setdefault((servers[node], load, requested), set()).add((watts, curve, source))
        return found

    written, real = figures(block), figures("\n".join(printed))
    assert len(written.keys() & real.keys()) >= 6
    assert {key: real[key] for key in written.keys() & real.keys()} == {
        key: written[key] for key in written.keys() & real.keys()
    }
    heading = next(line for line in block.splitlines() if line.startswith("node  "))
    facts = re.findall(r"^(workload|decided|needs|forgone) ", block, re.MULTILINE)
    for text in printed:
        assert heading.split() in [line.split() for line in text.splitlines()]
        assert re.findall(r"^(workload|decided|needs|forgone) ", text, re.MULTILINE) == facts
    assert reader.types(*savings).splitlines()[0].split() == summed.splitlines()[0].split()
