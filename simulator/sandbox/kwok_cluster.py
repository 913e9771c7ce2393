"""Start the processes of a Kubernetes control plane in a folder, ask it, and end them.

The processes go on when the program that started them ends. Who owns the folder says when they
end: `ControlPlane` with its block, `Sandbox` when it is taken down.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from energy.errors import UnavailableError
from simulator.sandbox.kwokctl_configuration import (
    ControlPlaneOptions,
    kwokctl_configuration,
    metrics_for_kwok,
)
from simulator.sandbox.ports import accepts, free_ports
from simulator.sandbox.processes import end, running
from simulator.sandbox.toolchain import Toolchain

NAME = "negawatt"
READY_SECONDS_MAX = 120  # 5 s on an idle machine; a busy one with two cores needs many more
POLL_SECONDS = 0.1
GRACE_SECONDS = 1.0
KUBECTL_SECONDS_MAX = 180.0  # a server that hangs must not hold its caller for ever


class KwokCluster:
    """A control plane whose whole state lies in one folder.

    Attributes:
        folder: kubeconfig, data and logs; its name stands in the arguments of every process.
        kubeconfig: the file with an administrator's credentials.
        ports: which component listens where, on loopback (`kubeApiserverPort`, ...).
        programs: component -> the program that it runs.
    """

    def __init__(
        self,
        toolchain: Toolchain,
        options: ControlPlaneOptions,
        folder: Path,
        *,
        programs: Mapping[str, Path] | None = None,
        ports: Mapping[str, int] | None = None,
    ) -> None:
        """Describe one; give `programs` and `ports` of one that was started before."""
        self._toolchain = toolchain
        self._options = options
        self.folder = folder
        self.programs = dict(programs or {})
        self.ports = dict(ports or {})
        self.kubeconfig = folder / "kubeconfig.yaml"

    @property
    def logs(self) -> Path:
        """The folder of the log files."""
        return self.folder / "clusters" / NAME / "logs"

    @property
    def certificates(self) -> Path:
        """The folder with `ca.crt`, and `admin.crt` and `admin.key` of an administrator."""
        return self.folder / "clusters" / NAME / "pki"

    def log(self, component: str) -> Path:
        """Give the log file of a component, such as `kube-scheduler`."""
        return self.logs / f"{component}.log"

    def process_ids(self) -> list[int]:
        """Give the ids of the processes that run for it."""
        return running(self.programs.values(), self.folder)

    def runs(self, component: str) -> bool:
        """Whether the process of a component is there."""
        return bool(running([self.programs[component]], self.folder))

    def prepare(self) -> None:
        """Find the programs and choose the ports; nothing is started yet.

        Raises:
            InputError: there is no such scheduler configuration.
            UnavailableError: the toolchain lacks a program, or there are no free ports.
        """
        self.programs = self._options.programs(self._toolchain)
        names = self._options.ports()
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))

    def start(self) -> None:
        """Start everything and wait until pods can be created; `prepare` comes first.

        Raises:
            StartError: it did not come up; some processes may run.
        """
        configuration = self.folder / "kwokctl.yaml"
        configuration.write_text(
            kwokctl_configuration(
                self._options,
                toolchain=self._toolchain,
                ports=self.ports,
                cache_folder=self.folder / "cache",
            ),
            encoding="utf-8",
        )
        arguments = ["create", "cluster", f"--config={configuration}"]
        arguments += [f"--kubeconfig={self.kubeconfig}", f"--wait={READY_SECONDS_MAX}s"]
        if self._options.scheduler_configuration:
            arguments.append(f"--kube-scheduler-config={self._options.scheduler_configuration}")
        if metrics := metrics_for_kwok(self._options, self._toolchain):
            file = self.folder / "kwok-metrics.yaml"
            file.write_text(metrics, encoding="utf-8")
            arguments.append(f"--extra-args=kwok-controller=config={file}")
        for component, flags in self._options.arguments.items():
            arguments += [f"--extra-args={component}={flag}={to}" for flag, to in flags.items()]
        answer = self._kwokctl(arguments, time_out_seconds=2 * READY_SECONDS_MAX)
        if answer.returncode:
            raise StartError(last_line(answer.stderr))
        deadline = time.monotonic() + READY_SECONDS_MAX
        for name, component in self._options.ports().items():
            self._wait_for_port(component, self.ports[name], deadline)
        self._wait_for_service_account(deadline)

    def end_processes(self) -> None:
        """End what runs, and nothing else."""
        # Not `kwokctl delete`: it knows only what it wrote down, and a start may have been cut off.
        # The grace is short because nothing here is worth a clean end: the folder goes too.
        end(self.process_ids(), grace_seconds=GRACE_SECONDS)

    def kubectl(self, *arguments: str, manifest: object = None) -> str:
        """Run kubectl against it; `manifest` (JSON-ready) goes to its input. Gives its output.

        Raises:
            UnavailableError: kubectl failed, and the message holds what it said; or it was not
                done after KUBECTL_SECONDS_MAX.
        """
        kubectl, spoken = self._toolchain.program("kubectl"), f"kubectl {' '.join(arguments)}"
        try:
            answer = subprocess.run(  # noqa: S603 - our own program, arguments not from a shell
                [str(kubectl), f"--kubeconfig={self.kubeconfig}", *arguments],
                input=None if manifest is None else json.dumps(manifest),
                stdin=subprocess.DEVNULL if manifest is None else None,
                capture_output=True,
                text=True,
                timeout=KUBECTL_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"{spoken}: not done after {KUBECTL_SECONDS_MAX:g} s") from None
        if answer.returncode:
            raise UnavailableError(f"{spoken}: {answer.stderr.strip()}")
        return answer.stdout

    def _kwokctl(
        self, arguments: Sequence[str], *, time_out_seconds: float
    ) -> subprocess.CompletedProcess[str]:
        kwokctl = self._toolchain.program("kwokctl")
        environ = {
            "HOME": str(self.folder),
            "KWOK_WORKDIR": str(self.folder),
            "PATH": f"{kwokctl.parent}:/usr/bin:/bin",  # it looks for kubectl there
        }
        try:
            return subprocess.run(  # noqa: S603 - our own program, arguments not from a shell
                [str(kwokctl), *arguments, f"--name={NAME}"],
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=time_out_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StartError(f"not ready after {time_out_seconds:.0f} s") from None

    def _wait_for_port(self, component: str, port: int, deadline: float) -> None:
        """Wait until it accepts connections: kwokctl does not notice a component that ended."""
        while not accepts(port):
            if not running([self.programs[component]], self.folder):
                raise StartError(f"{component} ended: {last_line(text_of(self.log(component)))}")
            if time.monotonic() > deadline:
                raise StartError(f"{component} does not listen on port {port}")
            time.sleep(POLL_SECONDS)

    def _wait_for_service_account(self, deadline: float) -> None:
        """Wait for the `default` account: before it exists, the API server refuses every pod."""
        while True:
            try:
                self.kubectl("get", "serviceaccount", "default", "--namespace=default")
            except UnavailableError as error:
                if time.monotonic() > deadline:
                    raise StartError(last_line(error.what)) from error
                time.sleep(POLL_SECONDS)
            else:
                return


class StartError(Exception):
    """Why it did not come up."""


def text_of(log: Path) -> str:
    """Read a log; a component that could not be started has written none."""
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def last_line(text: str) -> str:
    """Give the last thing that was said; kwokctl says it in JSON."""
    line = next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
    try:
        record = json.loads(line)
    except ValueError:
        return line
    return str(record.get("err", line)) if isinstance(record, dict) else line
