"""How to reach a Kubernetes API server, and how gently to ask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class KubeSettings(BaseModel):
    """One cluster, one identity, one allowance of requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    credentials: Literal["auto", "kubeconfig", "in-cluster"] = "auto"
    """`auto`: a named file, context or $KUBECONFIG; else our pod's account; else ~/.kube/config."""

    kubeconfig: Path | None = None
    """A kubeconfig file; unset: $KUBECONFIG, then ~/.kube/config."""

    context: str | None = None
    """A context of that file; unset: its current context."""

    connect_timeout_seconds: Seconds = 5.0
    """How long a connection may take. Five: longer only hides a dead address."""

    read_timeout_seconds: Seconds = 30.0
    """How long one answer may take. A page of 500 pods takes well under a second."""

    requests_per_second_max: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20.0
    """Requests a second in the long run; client-go's controllers use 20 (its bare default is 5)."""

    requests_burst_max: Annotated[int, Field(ge=1)] = 30
    """Requests that may follow each other at once; client-go's controllers use 30."""


class WatchSettings(BaseModel):
    """How an informer follows one resource."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    page_objects_max: Annotated[int, Field(ge=1)] = 500
    """Objects in one page of a list: client-go's own page size."""

    watch_seconds: Annotated[int, Field(ge=1)] = 300
    """How long one watch lasts before it is renewed; up to as much again is added at random."""

    silence_seconds_max: Seconds = 120.0
    """A watch that says nothing for so long is renewed: twice the server's bookmark interval.

    A half-open connection sounds like a quiet cluster; only a new request tells them apart.
    """

    relist_seconds: Seconds = 1800.0
    """How often everything is listed afresh, which heals whatever a watch has missed."""

    backoff_initial_seconds: Seconds = 0.5
    """The wait after a first failure; it doubles from there. client-go's reflector uses 0.8."""

    backoff_max_seconds: Seconds = 30.0
    """The longest wait between two attempts; client-go's reflector uses 30."""
