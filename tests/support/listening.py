"""On which addresses a process listens, as the kernel has it."""

from __future__ import annotations

from pathlib import Path

LOOPBACK_HEXADECIMAL = "0100007F"  # 127.0.0.1 as /proc/net/tcp writes it
LISTENING = "0A"


def listening_addresses(process_id: int) -> set[str]:
    """Give the local addresses (hexadecimal, IPv4 and IPv6) that a process listens on."""
    sockets = set()
    for descriptor in Path(f"/proc/{process_id}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            sockets.add(target.removeprefix("socket:[").removesuffix("]"))
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process_id}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in sockets:
                addresses.add(fields[1].partition(":")[0])
    return addresses
