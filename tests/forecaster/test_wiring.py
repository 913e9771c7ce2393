"""What the forecaster's parts tell each other, as it is wired."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import pytest
from scripted_api import write_kubeconfig

from energy.errors import InputError, UnavailableError
from forecaster.__main__ import followed_annotations, run, troubles_of
from forecaster.settings import ForecasterSettings, read_settings
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


def test_port_is_had_before_anything_is_begun(tmp_path):
    """Who is started twice by mistake leaves the other one's state and partitions alone."""
    (port,) = free_ports(1)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(UnavailableError, match="cannot listen there"),
    ):
        run(kept_in(tmp_path / "state", port=port))

    assert not (tmp_path / "state").exists()


def test_what_is_no_folder_of_models_is_refused(tmp_path):
    """It was named by mistake: the shipped models must not serve in silence."""
    file = tmp_path / "good.csv"
    file.touch()
    settings = kept_in(tmp_path / "state", models_directory=file)

    with pytest.raises(InputError, match=r"good\.csv: is no folder; give --models-directory"):
        run(settings)


def test_certificate_that_does_not_do_is_refused_before_anything_is_begun(tmp_path):
    """On Kafka partitions would come and go for nothing."""
    given = {"tls_cert_file": tmp_path / "absent", "tls_key_file": tmp_path / "absent"}

    with pytest.raises(InputError, match=r"absent: cannot be used for TLS .No such file"):
        run(kept_in(tmp_path / "state", **given))

    assert not (tmp_path / "state").exists()


def kept_in(folder, **given):
    """Give settings of a forecaster that keeps everything in one folder."""
    kept = {"state_directory": folder / "forecaster", "models_directory": folder / "models"}
    free = {"prometheus_url": "http://127.0.0.1:1", "port": 0}
    return read_settings({**free, **kept, **given}, {})
