"""Fixtures that hand out the real components; a test that uses one is marked by conftest.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import components
import pytest

from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.toolchain import Toolchain


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """Give what `make toolchain` built."""
    return Toolchain.found(os.environ)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """Give one running control plane for all tests: use names of your own and clean up."""
    with ControlPlane(Toolchain.found(os.environ)) as plane:
        yield plane


@pytest.fixture(scope="session")
def kubeconfig(control_plane: ControlPlane) -> Path:
    """Give the administrator's kubeconfig of that control plane."""
    return control_plane.kubeconfig


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """Give the folder of development data beside the checkout."""
    return components.SHARED
