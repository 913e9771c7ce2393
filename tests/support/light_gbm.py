"""Skips what needs LightGBM where it, or the system library that its wheel needs, is missing."""

from __future__ import annotations

import pytest

from energy.errors import UnavailableError


def reason_without_light_gbm() -> str:
    """Why LightGBM cannot be used; empty where it can."""
    try:
        from energy.regressor.candidates import light_gbm

        light_gbm()
    except ImportError as error:
        return f"the extra `energy-training` is not installed ({error.name})"
    except UnavailableError as error:
        return str(error)
    return ""


_REASON = reason_without_light_gbm()
without_light_gbm = pytest.mark.skipif(bool(_REASON), reason=_REASON)
