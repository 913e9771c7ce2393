"""Which variables with a service's prefix are refused, and which are not its affair."""

from __future__ import annotations

import pytest
from pydantic_settings import BaseSettings, SettingsConfigDict

from energy.errors import InputError
from telemetry.serving.given_settings import SettingsSource


class Settings(BaseSettings):
    """A service's."""

    model_config = SettingsConfigDict(env_prefix="TRIED_ONE__", extra="forbid", frozen=True)

    port: int = 1


SOURCE = SettingsSource(kind=Settings, prefix="TRIED_ONE__", service="the one", command="one run")
ADDRESS = "tcp://10.0.0.1:80"


@pytest.mark.parametrize("service", ["", "_METRICS", "_SERVICE", "_PORT", "_2ND", "S"])
@pytest.mark.parametrize(
    ("told", "value"),
    [
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "80"),
        ("SERVICE_PORT_HTTP", "80"),
        ("SERVICE_PORT_HTTP_PORT", "80"),
        ("PORT", ADDRESS),
        ("PORT_80_TCP", ADDRESS),
        ("PORT_80_TCP_ADDR", "10.0.0.1"),
    ],
)
def test_services_whose_names_begin_like_ours_keep_no_pod_from_starting(service, told, value):
    """A kubelet tells each pod of all Services of its namespace, by their names."""
    assert SOURCE.read({}, {f"TRIED_ONE{service}_{told}": value}).port == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRIED_ONE__METRICS_SERVICE_HOST", "10.0.0.1"),
        ("TRIED_ONE__SERVICE_PORT", "80"),
        ("TRIED_ONE_METRICS_PORT", "80"),
        ("TRIED_ONE_PORT", "80"),
        ("TRIED_ONE_HOST", "10.0.0.1"),
    ],
)
def test_what_looks_like_a_setting_is_refused(name, value):
    """Somebody meant one."""
    with pytest.raises(InputError, match="is no setting of the one"):
        SOURCE.read({}, {name: value})
