"""Programs that a test runs until its block ends, and what they answer over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen


@contextmanager
def running(command: list[str], log: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; its log is in the test's output."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={"HOME": str(log.parent), "PATH": os.defpath, **environ},
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            text = log.read_text(encoding="utf-8")
            sys.stdout.write(text[-4000:])  # shown where the test fails


def answer(url: str) -> str:
    """GET a page; "" if it is refused or nobody answers."""
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310 - loopback
            text: str = response.read().decode()
            return text
    except (HTTPError, URLError, OSError):
        return ""
