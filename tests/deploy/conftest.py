"""Make the builder importable: it is run from its folder and never packaged."""

from __future__ import annotations

import sys

import components

sys.path.insert(0, str(components.CHECKOUT / "deploy/local"))
