"""Actions and errors of forecasts for tests: one that says everything, and any that can be made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from decisions import NAME, NOON, NUMBER, TEXT, TIME
from hypothesis import strategies as st

from ledger.action import ActionDecision
from ledger.checks import new_uid
from ledger.forecast_error import ForecastError

_ACTION = ActionDecision(
    decided_at_seconds=NOON,
    mode="observe",
    kind="scale",
    namespace="shop",
    subject_kind="Deployment",
    subject_name="web",
    action="scale-up",
    before_value=3,
    after_value=5,
    saved_watts=-12.5,
    forecast_key="shop/Deployment/web",
    rule="predicted",
    reason="400 requests per second are expected in five minutes",
    detail={"quantile": 0.9, "nodes": ["a", "b"]},
)
_ERROR = ForecastError(
    forecast_key="shop/Deployment/web",
    model="mixture",
    horizon_seconds=300,
    window_start_seconds=NOON,
    window_end_seconds=NOON + 3600,
    sample_count=60,
    mae_requests_per_second=4.5,
    wape_ratio=0.125,
    pinball_requests_per_second=1.5,
    coverage_80_ratio=0.75,
    coverage_95_ratio=1,
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def acted(**changes: Any) -> ActionDecision:
    """Return a scale-up of the Deployment shop/web, with these fields changed."""
    return replace(_ACTION, **{"uid": new_uid(), **changes})


def erred(**changes: Any) -> ForecastError:
    """Return an hour's errors of the forecasts for shop/web, with these fields changed."""
    return replace(_ERROR, **changes)


def actions() -> st.SearchStrategy[ActionDecision]:
    """Draw any action that can be made."""
    return st.builds(
        ActionDecision,
        decided_at_seconds=TIME,
        mode=st.sampled_from(["observe", "act"]),
        kind=st.sampled_from(["scale", "node", "plan"]),
        namespace=TEXT,
        subject_kind=NAME,
        subject_name=NAME,
        action=NAME,
        before_value=st.none() | NUMBER,
        after_value=st.none() | NUMBER,
        saved_watts=st.none() | NUMBER,
        forecast_key=TEXT,
        rule=TEXT,
        reason=NAME,
        detail=st.dictionaries(TEXT, _JSON, max_size=3),
    )


def errors() -> st.SearchStrategy[ForecastError]:
    """Draw any error of forecasts that can be made."""
    some, share = st.none() | st.floats(0, 1e100), st.none() | st.floats(0, 1)
    return st.builds(
        ForecastError,
        forecast_key=NAME,
        model=NAME,
        horizon_seconds=st.integers(0, 2**63 - 1),
        window_start_seconds=st.floats(0, 1e9),
        window_end_seconds=st.floats(1e9, 4e9),
        sample_count=st.integers(0, 2**63 - 1),
        mae_requests_per_second=some,
        wape_ratio=some,
        pinball_requests_per_second=some,
        coverage_80_ratio=share,
        coverage_95_ratio=share,
    )
