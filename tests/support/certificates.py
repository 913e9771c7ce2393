"""A certificate authority for one test, made with openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """Signs certificates for a day."""

    folder: Path
    root: Pair

    @classmethod
    def create(cls, folder: Path, name: str = "ca") -> Authority:
        """A new authority of that name."""
        root = Pair(folder / f"{name}.crt", folder / f"{name}.key")
        _openssl("req", "-x509", *_EC_KEY, "-subj", f"/CN={name}", "-days", "1", *_into(root))
        return cls(folder, root)

    def sign(self, name: str) -> Pair:
        """A certificate for 127.0.0.1, for servers and clients."""
        pair = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        by_us = ("-CA", str(self.root.certificate), "-CAkey", str(self.root.key))
        address = ("-addext", "subjectAltName=IP:127.0.0.1")
        subject = ("-subj", f"/CN={name}", "-days", "1")
        _openssl("req", "-x509", *_EC_KEY, *subject, *address, *by_us, *_into(pair))
        return pair


def _into(pair: Pair) -> tuple[str, ...]:
    return "-out", str(pair.certificate), "-keyout", str(pair.key)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
