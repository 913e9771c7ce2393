"""What of the extender's settings the service of predictions heeds when it runs alone."""

from __future__ import annotations

from typing import Final

#: The others are of the cluster.
SETTINGS: Final = (
    "host",
    "port",
    "ledger_url",
    "ledger_password_file",
    "ledger_capacity",
    "token_file",
    "tls_cert_file",
    "tls_key_file",
    "tls_client_ca_file",
    "body_limit_bytes",
    "allowed_origins",
    "drain_seconds",
)
