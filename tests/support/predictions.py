"""Predictions for tests: one that says everything, and any that can be made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from decisions import NAME, NOON, NUMBER, TIME
from hypothesis import strategies as st

from ledger.checks import new_uid
from ledger.prediction import Prediction, ServerPrediction

_PREDICTION = Prediction(
    predicted_at_seconds=NOON,
    model="forest",
    source="given",
    task_load_percent=40.0,
    best_server="new",
    best_cost_watts=3.5,
    reason="new adds the fewest watts",
    servers=(
        ServerPrediction(
            server="new",
            cpu_cores=16,
            memory_gigabytes=64,
            energy_rate_watts_per_core=8.75,
            used_ratio=0.25,
            cost_watts=3.5,
            reason="has room",
        ),
        ServerPrediction(
            server="old",
            cpu_cores=4,
            memory_gigabytes=8,
            energy_rate_watts_per_core=20,
            used_ratio=1,
            cost_watts=None,
            reason="is full",
        ),
    ),
)


def predicted(**changes: Any) -> Prediction:
    """Return a prediction for two servers, with these fields changed."""
    return replace(_PREDICTION, **{"uid": new_uid(), **changes})


_SERVER = st.builds(
    ServerPrediction,
    server=NAME,
    cpu_cores=st.floats(1e-3, 1e6),
    memory_gigabytes=st.floats(0, 1e6),
    energy_rate_watts_per_core=st.floats(0, 1e6),
    used_ratio=st.floats(0, 2),
    cost_watts=st.none() | NUMBER,
    reason=st.just("") | NAME,
)


def predictions(**fixed: st.SearchStrategy) -> st.SearchStrategy[Prediction]:
    """Draw any prediction that can be made; `fixed` narrows single fields."""
    fields: dict[str, st.SearchStrategy] = {
        "predicted_at_seconds": TIME,
        "model": NAME,
        "source": st.sampled_from(["given", "cluster"]),
        "task_load_percent": st.floats(1e-9, 1e6),
        "best_server": st.none() | NAME,
        "best_cost_watts": st.none() | NUMBER,
        "reason": NAME,
        "servers": st.lists(_SERVER, max_size=3).map(tuple),
    }
    return st.builds(Prediction, **{**fields, **fixed})
