"""A real etcd and kube-apiserver on loopback for one test module to kill, restart and rob.

The shared control plane is nobody's to break. Without controllers an API server is up in three
seconds, and nothing but the test touches its objects.
"""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import time
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.request import Request, urlopen

from scripted_api import write_kubeconfig

from simulator.sandbox.ports import free_ports
from simulator.sandbox.toolchain import Toolchain

READY_SECONDS_MAX = 120.0
ADMIN_TOKEN = "administrator-of-a-test"  # noqa: S105 - good for one server on loopback
KUBELET_TOKEN = "kubelet-of-node-a"  # noqa: S105 - same
#: Both may do everything as far as RBAC is asked; admission plugins know the kubelet as one.
TOKENS = f"""{ADMIN_TOKEN},admin,1,system:masters
{KUBELET_TOKEN},system:node:a,2,"system:masters,system:nodes"
"""
LOOPBACK = "127.0.0.1"


class LoneApiServer:
    """An etcd and an API server that live as long as the `with` block."""

    def __init__(self, toolchain: Toolchain, folder: Path) -> None:
        self._toolchain = toolchain
        self._folder = folder
        self._etcd_port, self._peer_port, self._port = free_ports(3)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def kubeconfig(self) -> Path:
        """Write an administrator's kubeconfig."""
        return self._kubeconfig("kubeconfig", ADMIN_TOKEN)

    @property
    def kubelet_kubeconfig(self) -> Path:
        """Write one of the kubelet of node `a`, whom admission plugins alone hold back."""
        return self._kubeconfig("kubelet", KUBELET_TOKEN)

    def _kubeconfig(self, name: str, token: str) -> Path:
        return write_kubeconfig(
            self._folder / name,
            f"https://{LOOPBACK}:{self._port}",
            bearer=token,
            authority=str(self._certificate),
        )

    @property
    def _certificate(self) -> Path:
        return self._folder / "certificates" / "apiserver.crt"

    def __enter__(self) -> Self:
        key = self._folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key)], check=True, capture_output=True)
        (self._folder / "tokens.csv").write_text(TOKENS)
        self._run(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls=http://{LOOPBACK}:{self._etcd_port}",
            f"--advertise-client-urls=http://{LOOPBACK}:{self._etcd_port}",
            f"--listen-peer-urls=http://{LOOPBACK}:{self._peer_port}",
            f"--initial-advertise-peer-urls=http://{LOOPBACK}:{self._peer_port}",
            f"--initial-cluster=default=http://{LOOPBACK}:{self._peer_port}",
            "--unsafe-no-fsync",
        )
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._processes):
            self._kill(name)

    def start(self) -> None:
        """Start the API server and wait until it is ready."""
        key = self._folder / "accounts.key"
        self._run(
            "kube-apiserver",
            f"--etcd-servers=http://{LOOPBACK}:{self._etcd_port}",
            f"--bind-address={LOOPBACK}",
            f"--advertise-address={LOOPBACK}",
            f"--secure-port={self._port}",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={self._certificate.parent}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--enable-admission-plugins=NodeRestriction",  # as kubeadm does
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
        )
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not self._is_ready():
            if self._processes["kube-apiserver"].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "kube-apiserver.log").read_text()[-2000:])
            time.sleep(0.1)

    def kill(self) -> None:
        """End the API server without a good-bye; etcd stays."""
        self._kill("kube-apiserver")

    def delete_behind_its_back(self, key: str) -> None:
        """Delete an object from etcd, such as `/registry/minions/a`, and forget the history."""
        encoded = base64.b64encode(key.encode()).decode()
        deleted = self._etcd("deleterange", {"key": encoded})
        assert deleted["deleted"] == "1"
        revision = deleted["header"]["revision"]
        self._etcd("compaction", {"revision": revision, "physical": True})

    def _etcd(self, what: str, body: dict[str, object]) -> dict:
        request = Request(
            f"http://{LOOPBACK}:{self._etcd_port}/v3/kv/{what}", data=json.dumps(body).encode()
        )
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    def _is_ready(self) -> bool:
        try:
            context = ssl.create_default_context(cafile=str(self._certificate))
            request = Request(
                f"https://{LOOPBACK}:{self._port}/readyz",
                headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
            )
            with urlopen(request, context=context, timeout=5):  # noqa: S310
                return True
        except (URLError, OSError):
            return False

    def _run(self, program: str, *arguments: str) -> None:
        with (self._folder / f"{program}.log").open("ab") as log:
            self._processes[program] = subprocess.Popen(
                [str(self._toolchain.program(program)), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _kill(self, program: str) -> None:
        process = self._processes.pop(program)
        process.kill()
        process.wait()
