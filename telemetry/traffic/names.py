"""Which workload a Service, a route or a bare name in a metric belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import TypeAdapter, ValidationError

from energy.errors import InputError
from telemetry.messages import Key
from telemetry.sample import Sample
from telemetry.traffic.query import Naming

#: Of workloads with the same name, which is meant, if nothing says so.
KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet")
# What Traefik's providers put after a Service's name: a port's number or name (one with hyphens
# could be the end of another Service's name); of an IngressRoute, by whose name it goes, a hash; of
# the Gateway API the protocol before the port.
_PORT: Final = r"-[a-zA-Z0-9]{1,15}"
_ENDINGS: Final = {
    "kubernetescrd": re.compile(rf"{_PORT}|-[0-9a-f]{{20}}"),
    "kubernetesgateway": re.compile(r"-(?:[a-z]+-)?[0-9]+"),
}
_ENDING: Final = re.compile(_PORT)
_KEY: Final[TypeAdapter[str]] = TypeAdapter(Key)


def workload_key(namespace: str, kind: str, name: str) -> str | None:
    """Write a workload's key; None if one of the three is no name."""
    return known_key(f"{namespace}/{kind}/{name}")


def known_key(text: str) -> str | None:
    """Return the key if it is one: `namespace/Kind/name`."""
    try:
        return _KEY.validate_python(text)
    except ValidationError:
        return None


def require_key(text: str, *, where: str) -> str:
    """Return the key.

    Raises:
        InputError: it is none.
    """
    key = known_key(text)
    if key is None:
        raise InputError(
            f"{text!r} is no workload", where=where, mend="write it as shop/Deployment/web"
        )
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadNames:
    """What is known of names at one time.

    Attributes:
        given: `namespace/name` of a Service or route -> the workload, as somebody wrote it down.
        owners: (namespace, Service) -> keys of the workloads whose pods it leads to.
        services: (namespace, name) of every Service.
        workloads: (namespace, name) -> kinds of workloads that have the name.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    services: frozenset[tuple[str, str]] = frozenset()
    workloads: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def key_of(self, naming: Naming, namespace: str, kind: str, name: str) -> str | None:
        """Return the workload that labels name; None where that cannot be told."""
        if naming is Naming.WORKLOAD:
            return workload_key(namespace, kind, name)
        if naming is Naming.JOINED:
            return self._joined(name)
        if naming is Naming.PLAIN:
            return workload_key(namespace, self._kind(namespace, name) or KINDS[0], name)
        return self._behind(namespace, name)

    def _behind(self, namespace: str, name: str) -> str | None:
        """What somebody wrote, the owner of its pods if that is one, a workload of that name."""
        if given := self.given.get(f"{namespace}/{name}"):
            return given
        owners = self.owners.get((namespace, name), frozenset())
        if len(owners) == 1:
            return next(iter(owners))
        kind = self._kind(namespace, name)
        if kind is None and not self.workloads and not owners:
            kind = KINDS[0]  # without kube-state-metrics the name is all there is
        return None if kind is None else workload_key(namespace, kind, name)

    def _joined(self, text: str) -> str | None:
        """`shop-web-80@kubernetes`: hyphens part the names, and may be in each of them.

        What follows a name must be a port: else `shop-web-api-80` of a Service that is not known
        would pass for one of `shop/web`. What somebody wrote may be all of it.
        """
        known = {*self.services, *self.owners, *self.workloads}
        given = {_pair(each) for each in self.given}
        joined, _, provider = text.partition("@")
        ending = _ENDINGS.get(provider, _ENDING)
        fitting = [
            pair
            for pair in known | given
            if ending.fullmatch(rest := _rest(joined, pair)) or (pair in given and rest == "-")
        ]
        longest = max((len("-".join(pair)) for pair in fitting), default=0)
        best = [pair for pair in fitting if len("-".join(pair)) == longest]
        return self._behind(*best[0]) if len(best) == 1 else None

    def _kind(self, namespace: str, name: str) -> str | None:
        kinds = self.workloads.get((namespace, name), frozenset())
        return next((kind for kind in KINDS if kind in kinds), next(iter(sorted(kinds)), None))


def normalised(text: str) -> str:
    """Traefik's `provider.Normalize`: what is no letter or digit becomes a hyphen."""
    return re.sub(r"[^a-zA-Z0-9]", "-", text)


def _rest(joined: str, pair: tuple[str, str]) -> str:
    """What follows a Service's name, with its hyphen; that alone where nothing does, else ""."""
    prefix = normalised("-".join(pair))
    if joined == prefix:
        return "-"
    rest = joined.removeprefix(prefix)
    return rest if rest != joined and rest.startswith("-") else ""


def names_of(
    *,
    given: Mapping[str, str],
    ready: Iterable[Sample],
    services: Iterable[Sample],
    owners: Iterable[Sample],
) -> WorkloadNames:
    """Put together what kube-state-metrics says (`telemetry.traffic.cluster_state`)."""
    kinds: dict[tuple[str, str], set[str]] = {}
    for sample in ready:
        said = sample.labels
        pair = (said.get("namespace", ""), said.get("name", ""))
        kinds.setdefault(pair, set()).add(said.get("kind", ""))
    behind: dict[tuple[str, str], set[str]] = {}
    for sample in owners:
        said = sample.labels
        key = workload_key(said.get("namespace", ""), said.get("kind", ""), said.get("name", ""))
        if key is not None:
            pair = (said.get("namespace", ""), said.get("service", ""))
            behind.setdefault(pair, set()).add(key)
    return WorkloadNames(
        given=given,
        owners={pair: frozenset(keys) for pair, keys in behind.items()},
        services=frozenset(
            (sample.labels.get("namespace", ""), sample.labels.get("service", ""))
            for sample in services
        ),
        workloads={pair: frozenset(found) for pair, found in kinds.items()},
    )


def _pair(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    return namespace, name
