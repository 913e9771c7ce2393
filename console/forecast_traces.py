"""The traces that were named, and what had to be done to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from console.output import say
from forecaster.evaluation.traces import Trace, read_traces


def given_traces(files: Sequence[Path]) -> tuple[Trace, ...]:
    """Read traces, and say to the person what of their rows had to be mended.

    Raises:
        InputError: one cannot be used, or two have one name.
    """
    traces = read_traces(files)
    for trace in traces:
        for note in trace.notes:
            say(f"{trace.name}: {note}")
    return traces
