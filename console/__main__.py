"""`python -m console` is `negawatt`."""

from __future__ import annotations

from console.cli import main

main()
