"""Our extender as it ships, with one handler more: what the server itself costs."""

from __future__ import annotations

from functools import partial

import extender.__main__ as program
from extender.app import create_app

if __name__ == "__main__":
    program.create_app = partial(create_app, with_empty_handler=True)  # type: ignore[attr-defined]
    program.main()
