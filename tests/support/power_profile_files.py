"""Builds PowerProfile documents."""

from __future__ import annotations

from typing import Any

from energy.power_profile import PowerProfile


def document_of(name: str, selector: dict[str, str], **spec: Any) -> dict[str, Any]:
    """Return a PowerProfile as YAML or JSON would hold it."""
    return {
        "apiVersion": "negawatt.dev/v1alpha1",
        "kind": "PowerProfile",
        "metadata": {"name": name},
        "spec": {"nodeSelector": selector, **spec},
    }


def profile_of(name: str, selector: dict[str, str], **spec: Any) -> PowerProfile:
    """Return a PowerProfile."""
    return PowerProfile.model_validate(document_of(name, selector, **spec))
