"""Where the development series come from, and under which licence."""

from __future__ import annotations

from typing import Final

_MICROSOFT: Final = (
    "`microsoft/cloud-monitoring-dataset` at 6a07a53c2fac495fb6831811df4c980d6c04bd10, MIT"
)
SOURCES: Final = {
    "nasa": "`PasanBhanu/time-series-forcasting-with-facebook-prophet-lstm-hybrid-model` at"
    " 354f0042ae7d5812dc7a44335a56b4992e853483, CC-BY-4.0; original: Internet Traffic Archive,"
    " NASA Kennedy's web server, 1995",
    "twitter": "`reconfigurable-ml-pipeline/web-service-datasets` at"
    " 7404ad6643602943511e75ab3095fb1ccc990fd1, no licence visible; original: archive.org's"
    " sample of the public Twitter stream, August 2021",
    "mongo-01": f"{_MICROSOFT}; queries of a database",
    "mongo-02": f"{_MICROSOFT}; queries of a database",
    "ingress-01": f"{_MICROSOFT}; data ingress of a monitoring service",
    "ingress-03": f"{_MICROSOFT}; data ingress of a monitoring service",
}


def source_of(series: str) -> str:
    """Say where a series comes from; the card's reader knows of any other."""
    return SOURCES.get(series, "given by whoever trained")
