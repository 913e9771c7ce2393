"""What must be installed before anything is built, and how to get it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain.recipe import Component

JAVA_VERSION_MINIMUM = 17  # Kafka 4 brokers refuse less
FREE_GIGABYTES_MINIMUM = 6  # binaries 0.8, and below the home Go's module and build caches 4.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The programs found; empty texts where a program is not needed or not there."""

    go: str = ""
    go_version: str = ""
    maven: str = ""
    missing: tuple[str, ...] = ()


def look_for(
    components: Sequence[Component],
    *,
    go_version_minimum: str,
    environ: Mapping[str, str],
) -> Tools:
    """Find the programs that `components` need; `missing` holds one line for each lack."""
    missing: list[str] = []
    go = go_version = maven = ""
    if any(component.needs_go for component in components):
        go, go_version = _go(environ)
        if not go:
            missing.append(
                f"go: not on PATH; get Go {go_version_minimum} or later from https://go.dev/dl/ "
                "and put its bin on PATH"
            )
        elif numbers(go_version) < numbers(go_version_minimum):
            missing.append(
                f"go: {go} is {go_version}, Kubernetes needs {go_version_minimum} or later; "
                "get it from https://go.dev/dl/"
            )
    if any(component.needs_maven for component in components):
        maven = shutil.which("mvn", path=environ.get("PATH")) or ""
        if not maven:
            missing.append("mvn: not on PATH; on Debian: apt-get install maven")
        missing += _java_lack(environ)
    return Tools(go=go, go_version=go_version, maven=maven, missing=tuple(missing))


def disk_lack(cache: Path) -> str:
    """Say, in one line, that the disk of `cache` has too little room for a first build; or ""."""
    free_gigabytes = shutil.disk_usage(_existing(cache)).free / 1e9
    if free_gigabytes >= FREE_GIGABYTES_MINIMUM:
        return ""
    return (
        f"disk: {free_gigabytes:.1f} GB free at {cache}, a first build needs "
        f"{FREE_GIGABYTES_MINIMUM}; free some or set NEGAWATT_CACHE to another disk"
    )


def numbers(version: str) -> tuple[int, ...]:
    """Give the numbers of a version text, for comparison: "go1.26.8" -> (1, 26, 8)."""
    return tuple(int(digits) for digits in re.findall(r"\d+", version.partition("-")[0])[:3])


def _go(environ: Mapping[str, str]) -> tuple[str, str]:
    go = shutil.which("go", path=environ.get("PATH")) or ""
    if not go:
        return "", ""
    # GOTOOLCHAIN=local: the Go that is installed, not one that it would go and fetch.
    answer = subprocess.run(
        [go, "env", "GOVERSION"],
        env={**environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    return go, answer.stdout.strip() or "0"


def _java_lack(environ: Mapping[str, str]) -> list[str]:
    java = shutil.which("java", path=environ.get("PATH"))
    get = "on Debian: apt-get install openjdk-17-jdk-headless"
    if java is None:
        return [f"java: not on PATH; {get}"]
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', answer.stderr)
    if found is None or int(found[1]) < JAVA_VERSION_MINIMUM:
        said = answer.stderr.partition("\n")[0] or "no version"
        return [f"java: {java} says {said}, Kafka needs {JAVA_VERSION_MINIMUM} or later; {get}"]
    return []


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
