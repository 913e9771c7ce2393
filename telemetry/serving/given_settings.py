"""Settings of a service from flags and the environment, and what is wrong with them in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from energy.errors import InputError

S = TypeVar("S", bound=BaseSettings)

#: After the rest of the Service's name; settings have two underscores after the service's.
_OF_KUBELET: Final = re.compile(
    r"(?!__)\w*?(_SERVICE_(HOST|PORT(_\w+)?)|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?|(?P<plain>_PORT))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsSource(Generic[S]):
    """Where one service's settings come from.

    Attributes:
        kind: the class of the settings.
        prefix: of their variables.
        service: as people call it.
        command: what runs it.
    """

    kind: type[S]
    prefix: str
    service: str
    command: str

    def read(
        self,
        flags: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> S:
        """Settings from flags (those that are None were not given) and the environment.

        Raises:
            InputError: a value that cannot be, or a variable with our prefix that is no setting.
        """
        given = {name: value for name, value in (flags or {}).items() if value is not None}
        self._require_known(os.environ if environ is None else environ)
        try:
            return self.kind(**given)
        except ValidationError as error:
            raise self._one_line(error, given) from None

    def _require_known(self, environ: Mapping[str, str]) -> None:
        known = {f"{self.prefix}{name}".upper() for name in self.kind.model_fields}
        stem = self.prefix.rstrip("_")
        for name, value in sorted(environ.items()):
            if name.upper().startswith(stem) and name.upper() not in known:
                if _is_of_kubelet(name.removeprefix(stem), value):
                    continue
                close = get_close_matches(name.upper(), known, n=1)
                mend = f"did you mean {close[0]}?" if close else f"see `{self.command} --help`"
                raise InputError(f"is no setting of {self.service}", where=name, mend=mend)

    def _one_line(self, error: ValidationError, given: Mapping[str, Any]) -> InputError:
        """The first thing that is wrong, by the name under which it was given."""
        first = error.errors(include_url=False, include_context=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        what = first["msg"].removeprefix("Value error, ")
        if not name:
            return InputError(what, where="settings")
        where = flag(name) if name in given else f"{self.prefix}{name.upper()}"
        if first["type"] == "value_error" and "; " in what:  # of ours: it says how to mend it
            return InputError(what, where=where)
        shown = f"{what[:1].lower()}{what[1:]}, not {str(first['input'])!r}"
        return InputError(shown, where=where, mend=f"see `{self.command} --help`")


def _is_of_kubelet(rest: str, value: str) -> bool:
    """Whether that is what a kubelet tells of a Service whose name begins like the service's.

    Kubernetes' pkg/kubelet/envvars; what people mean by `…_PORT` is a number.
    """
    found = _OF_KUBELET.fullmatch(rest)
    return found is not None and (found["plain"] is None or "://" in value)


def flag(name: str) -> str:
    """The command's flag for a setting."""
    return f"--{name.replace('_', '-')}"


class TlsFiles(Protocol):
    """A certificate to serve with, its key, and whose clients' certificates are let in."""

    @property
    def tls_cert_file(self) -> Path | None: ...  # noqa: D102 - see the class
    @property
    def tls_key_file(self) -> Path | None: ...  # noqa: D102
    @property
    def tls_client_ca_file(self) -> Path | None: ...  # noqa: D102


def require_whole_tls(settings: TlsFiles) -> None:
    """Raise ValueError for half a certificate: who meant HTTPS must not serve HTTP."""
    if (settings.tls_cert_file is None) != (settings.tls_key_file is None):
        raise ValueError("tls_cert_file and tls_key_file go together: give both or neither")
    if settings.tls_client_ca_file is not None and settings.tls_cert_file is None:
        raise ValueError("tls_client_ca_file needs tls_cert_file and tls_key_file")
