"""Run `negawatt` within the test's process: what it prints, and its exit code."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

from console.cli import main


@dataclass(frozen=True)
class Done:
    """A finished command."""

    returncode: int
    stdout: str
    stderr: str


def negawatt(*arguments: object) -> Done:
    """Run the command line; a usage error or our own error ends in its exit code."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    argv = ["negawatt", *map(str, arguments)]
    with (
        mock.patch.object(sys, "argv", argv),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    return Done(code, out.getvalue(), err.getvalue())
