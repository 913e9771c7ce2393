"""What the forecaster's parts tell each other, as it is wired."""

from __future__ import annotations

import time
from contextlib import ExitStack

from scripted_api import write_kubeconfig

from forecaster.__main__ import followed_annotations, troubles_of
from forecaster.settings import ForecasterSettings
from simulator.sandbox.ports import free_ports


def test_annotations_that_cannot_be_followed_are_told(tmp_path):
    """As whatever ails the bridge is; /readyz has the line."""
    (port,) = free_ports(1)
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", f"http://127.0.0.1:{port}")
    settings = ForecasterSettings(cluster=True, kubeconfig=kubeconfig)
    deadline = time.monotonic() + 20
    with ExitStack() as opened:
        followed = followed_annotations(settings, opened)
        while not (lines := troubles_of(None, followed)) and time.monotonic() < deadline:
            pass
    assert lines[0].startswith("annotations cannot be followed: ")
    assert followed_annotations(ForecasterSettings(), ExitStack()) is None
    assert troubles_of(None, None) == ()
