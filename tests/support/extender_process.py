"""The extender as a process of a test: started, killed, hung, and kept alive as a kubelet would."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import repository
import yaml

START_SECONDS_MAX = 120.0
END_SECONDS_MAX = 20.0
POLL_SECONDS = 0.05
MANIFEST = repository.ROOT / "deploy/manifests/scheduler/scheduler.yaml"


class ExtenderProcess:
    """`python -m extender` on a port of loopback, as a `with` block; it may be started anew.

    Attributes:
        url: where it listens.
    """

    def __init__(self, kubeconfig: Path, port: int, folder: Path, **settings: object) -> None:
        """Prepare; `settings` are fields of the extender's settings."""
        told = {
            "kubeconfig": kubeconfig,
            "port": port,
            "ledger_url": "none",
            "drain_seconds": 0,
            **settings,
        }
        self.url = f"http://127.0.0.1:{port}"
        self._environ = {f"NEGAWATT_EXTENDER__{k.upper()}": str(v) for k, v in told.items()}
        self._log = folder / f"extender-{port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.kill()
        sys.stdout.write(self.log()[-3000:])  # shown where the test fails

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "extender"],
                env={**os.environ, **self._environ},
                cwd=repository.ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self) -> None:
        """Wait until it knows the cluster."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.answers("/readyz"):
            assert self.runs, f"it ended: {self.log()[-2000:]}"
            assert time.monotonic() < deadline, "the extender is not ready in time"
            time.sleep(POLL_SECONDS)

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def ended(self, seconds_max: float) -> int:
        """Give its exit status once it has ended; raise `TimeoutExpired` if it does not in time."""
        assert self._process is not None
        return self._process.wait(seconds_max)

    def kill(self) -> None:
        """End it as a lack of memory would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def log(self) -> str:
        """Give what it said."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def answers(self, path: str, timeout_seconds: float = 5.0) -> bool:
        """Whether it answers 200."""
        try:
            with urlopen(self.url + path, timeout=timeout_seconds) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (OSError, HTTPException):
            return False

    def text(self, path: str) -> str:
        """Give a page, also one of an error."""
        try:
            with urlopen(self.url + path, timeout=30) as answer:  # noqa: S310 - loopback
                return str(answer.read().decode())
        except HTTPError as error:
            return error.read().decode()

    def document(self, path: str) -> dict[str, Any]:
        """Give a page of JSON."""
        found: dict[str, Any] = json.loads(self.text(path))
        return found

    def metric(self, name: str, **labels: str) -> float:
        """Give the sum of a metric's samples that carry these labels."""
        total = 0.0
        for line in self.text("/metrics").splitlines():
            series, _, value = line.rpartition(" ")
            if re.match(rf"negawatt_extender_{name}(?:{{|$)", series) and all(
                f'{label}="{said}"' in series for label, said in labels.items()
            ):
                total += float(value)
        return total

    def prioritize(self, pod: Mapping[str, Any], names: list[str]) -> dict[str, int]:
        """Ask as kube-scheduler does; node -> score."""
        body = json.dumps({"Pod": pod, "Nodes": None, "NodeNames": names}).encode()
        asked = Request(  # noqa: S310 - loopback
            f"{self.url}/scheduler/prioritize", body, {"Content-Type": "application/json"}
        )
        with urlopen(asked, timeout=30) as answer:  # noqa: S310 - loopback
            return {each["Host"]: each["Score"] for each in json.loads(answer.read())}


@dataclass(frozen=True)
class Liveness:
    """What the manifest tells a kubelet of the extender's liveness."""

    path: str
    period_seconds: float
    timeout_seconds: float
    failures_max: int
    grace_seconds: float

    @classmethod
    def of_manifest(cls, manifest: Path = MANIFEST) -> Self:
        """Read the probe of the container that listens on `http`."""
        for document in yaml.safe_load_all(manifest.read_text(encoding="utf-8")):
            if document["kind"] != "Deployment":
                continue
            for container in document["spec"]["template"]["spec"]["containers"]:
                probe = container["livenessProbe"]
                if probe["httpGet"]["path"] == "/healthz":
                    return cls(
                        path=probe["httpGet"]["path"],
                        period_seconds=probe["periodSeconds"],
                        timeout_seconds=probe["timeoutSeconds"],
                        failures_max=probe["failureThreshold"],
                        grace_seconds=probe["terminationGracePeriodSeconds"],
                    )
        raise AssertionError("no container of the manifest is probed for liveness by /healthz")

    @property
    def seconds_max(self) -> float:
        """How long a process that hangs stays: it may have hung right after a probe."""
        late = self.failures_max * self.period_seconds
        return late + self.timeout_seconds + self.grace_seconds


@dataclass
class Kubelet:
    """Probes, kills and restarts an extender while its `with` block lasts; there is no real one.

    Attributes:
        ended_at: when it killed the process, on the monotonic clock.
    """

    extender: ExtenderProcess
    liveness: Liveness
    ended_at: list[float] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stopping = Event()
        self._thread = Thread(target=self._probe_on)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _probe_on(self) -> None:
        failures = 0
        while not self._stopping.wait(self.liveness.period_seconds):
            healthy = self.extender.answers(self.liveness.path, self.liveness.timeout_seconds)
            failures = 0 if healthy else failures + 1
            if failures >= self.liveness.failures_max:
                self._restart()
                failures = 0

    def _restart(self) -> None:
        self.extender.signal(signal.SIGTERM)
        time.sleep(self.liveness.grace_seconds)
        self.extender.kill()
        self.ended_at.append(time.monotonic())
        self.extender.start()
