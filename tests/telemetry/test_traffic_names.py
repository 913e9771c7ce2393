"""Whose traffic a name in a metric is: that of the workload meant, or nobody's."""

from __future__ import annotations

import pytest

from telemetry.traffic.names import WorkloadNames
from telemetry.traffic.query import Naming

NAMES = WorkloadNames(
    given={"shop/odd-http-web": "shop/Deployment/odd", "shop/web-b": "shop/Deployment/other"},
    services=frozenset({("shop", "web"), ("shop", "web-api-v2")}),
    workloads={
        ("shop", "web"): frozenset({"Deployment"}),
        ("shop", "web-api-v2"): frozenset({"StatefulSet"}),
    },
)


@pytest.mark.parametrize(
    ("joined", "key"),
    [
        ("shop-web-80@kubernetes", "shop/Deployment/web"),
        ("shop-web-http@kubernetes", "shop/Deployment/web"),
        ("shop-web-api-v2-80@kubernetes", "shop/StatefulSet/web-api-v2"),
        ("shop-web-api-80@kubernetes", None),  # of another Service, which is not known
        ("shop-website-80@kubernetes", None),
        ("shop-web@kubernetes", None),
        ("shop-web-0123456789abcdef0123@kubernetescrd", "shop/Deployment/web"),
        ("shop-web-0123456789abcdef0123@kubernetes", None),
        ("shop-web-http-80@kubernetesgateway", "shop/Deployment/web"),
        ("shop-web-grpc-80@kubernetes", None),
        ("shop-odd-http-web@kubernetes", "shop/Deployment/odd"),  # as somebody wrote it
        ("shop-web-b-80@kubernetes", "shop/Deployment/other"),
    ],
)
def test_after_a_services_name_comes_a_port_and_nothing_else(joined: str, key: str | None) -> None:
    """Names of Traefik's Services are joined by hyphens, which names have, too."""
    assert NAMES.key_of(Naming.JOINED, "", "", joined) == key
