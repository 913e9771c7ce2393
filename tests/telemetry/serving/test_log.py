"""What a service says on stderr."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import logging
from telemetry.serving.server import log_to_stderr

log_to_stderr()
for name in ("kafka.net.connection", "alembic.runtime", "uvicorn.error", "negawatt"):
    logging.getLogger(name).info("told by %s", name)
    logging.getLogger(name).warning("a warning of %s", name)
"""


def test_libraries_warn_and_say_no_more():
    """kafka-python would tell of every connection, with its socket."""
    program = [sys.executable, "-c", PROGRAM]
    said = subprocess.run(program, check=True, capture_output=True, text=True).stderr

    assert [line.split()[-1] for line in said.splitlines() if "told by" in line] == ["negawatt"]
    assert said.count("a warning of") == 4
