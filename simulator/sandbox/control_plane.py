"""Start and stop a real Kubernetes control plane on loopback, its nodes played by KWOK."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from energy.errors import UnavailableError
from simulator.sandbox.kwokctl_configuration import ControlPlaneOptions, kwokctl_configuration
from simulator.sandbox.ports import accepts, free_ports
from simulator.sandbox.processes import end, running, treat_sigterm_as_interrupt
from simulator.sandbox.toolchain import Toolchain

NAME = "negawatt"
READY_SECONDS_MAX = 120  # 5 s on an idle machine; a busy one with two cores needs many more
POLL_SECONDS = 0.1
GRACE_SECONDS = 1.0
KUBECTL_SECONDS_MAX = 180.0  # a server that hangs must not hold its caller for ever


class ControlPlane:
    """A control plane that lives as long as its `with` block; nothing of it stays behind.

    Entered on the main thread, it makes SIGTERM do what Ctrl-C does, so that the block is left then
    too; a handler that the program has set itself is kept.

    Attributes:
        kubeconfig: the file with an administrator's credentials.
        ports: which component listens where, on loopback (`kubeApiserverPort`, ...).
    """

    def __init__(self, toolchain: Toolchain, options: ControlPlaneOptions | None = None) -> None:
        self._toolchain = toolchain
        self._options = options or ControlPlaneOptions()
        self._programs: dict[str, Path] = {}
        self._folder = Path()
        self._restore_sigterm: Callable[[], object] = lambda: None
        self.ports: dict[str, int] = {}
        self.kubeconfig = Path()

    def __enter__(self) -> Self:
        """Start everything and wait until pods can be created.

        Raises:
            InputError: there is no such scheduler configuration.
            UnavailableError: the toolchain lacks a program, or the control plane did not come up.
                In the second case its folder stays if it holds logs.
        """
        self._programs = self._options.programs(self._toolchain)
        self._folder = Path(tempfile.mkdtemp(prefix="negawatt-control-plane-")).resolve()
        self.kubeconfig = self._folder / "kubeconfig.yaml"
        self._restore_sigterm = treat_sigterm_as_interrupt()
        try:
            self._start()
        except BaseException as error:
            self._end_processes()
            self._restore_sigterm()
            if isinstance(error, _StartError) and any(self._logs.glob("*")):
                raise UnavailableError(
                    f"the control plane did not start: {error}",
                    where=str(self._logs),
                    mend=f"read the logs there, then remove {self._folder}",
                ) from error
            shutil.rmtree(self._folder, ignore_errors=True)
            if isinstance(error, _StartError):
                raise UnavailableError(f"the control plane did not start: {error}") from error
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all processes and remove the folder."""
        self._end_processes()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._restore_sigterm()

    def process_ids(self) -> list[int]:
        """Give the ids of the processes that run for this control plane."""
        return running(self._programs.values(), self._folder)

    def log(self, component: str) -> Path:
        """Give the log file of a component, such as `kube-scheduler`."""
        return self._logs / f"{component}.log"

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

    @property
    def _logs(self) -> Path:
        return self._folder / "clusters" / NAME / "logs"

    def _start(self) -> None:
        names = self._options.ports()
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        configuration = self._folder / "kwokctl.yaml"
        configuration.write_text(
            kwokctl_configuration(
                self._options,
                toolchain=self._toolchain,
                ports=self.ports,
                cache_folder=self._folder / "cache",
            ),
            encoding="utf-8",
        )
        arguments = ["create", "cluster", f"--config={configuration}"]
        arguments += [f"--kubeconfig={self.kubeconfig}", f"--wait={READY_SECONDS_MAX}s"]
        if self._options.scheduler_configuration:
            arguments.append(f"--kube-scheduler-config={self._options.scheduler_configuration}")
        for component, flags in self._options.arguments.items():
            arguments += [f"--extra-args={component}={flag}={to}" for flag, to in flags.items()]
        answer = self._kwokctl(arguments, time_out_seconds=2 * READY_SECONDS_MAX)
        if answer.returncode:
            raise _StartError(_last_line(answer.stderr))
        deadline = time.monotonic() + READY_SECONDS_MAX
        for name, component in self._options.ports().items():
            self._wait_for_port(component, self.ports[name], deadline)
        self._wait_for_service_account(deadline)

    def _kwokctl(
        self, arguments: Sequence[str], *, time_out_seconds: float
    ) -> subprocess.CompletedProcess[str]:
        kwokctl = self._toolchain.program("kwokctl")
        environ = {
            "HOME": str(self._folder),
            "KWOK_WORKDIR": str(self._folder),
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
            raise _StartError(f"not ready after {time_out_seconds:.0f} s") from None

    def _wait_for_port(self, component: str, port: int, deadline: float) -> None:
        """Wait until it accepts connections: kwokctl does not notice a component that ended."""
        while not accepts(port):
            if not running([self._programs[component]], self._folder):
                raise _StartError(f"{component} ended: {_last_line(_text_of(self.log(component)))}")
            if time.monotonic() > deadline:
                raise _StartError(f"{component} does not listen on port {port}")
            time.sleep(POLL_SECONDS)

    def _wait_for_service_account(self, deadline: float) -> None:
        """Wait for the `default` account: before it exists, the API server refuses every pod."""
        while True:
            try:
                self.kubectl("get", "serviceaccount", "default", "--namespace=default")
            except UnavailableError as error:
                if time.monotonic() > deadline:
                    raise _StartError(_last_line(error.what)) from error
                time.sleep(POLL_SECONDS)
            else:
                return

    def _end_processes(self) -> None:
        # Not `kwokctl delete`: it knows only what it wrote down, and a start may have been cut off.
        # The grace is short because nothing here is worth a clean end: the folder goes too.
        end(self.process_ids(), grace_seconds=GRACE_SECONDS)


class _StartError(Exception):
    """Why it did not come up."""


def _text_of(log: Path) -> str:
    """Read a log; a component that could not be started has written none."""
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _last_line(text: str) -> str:
    """Give the last thing that was said; kwokctl says it in JSON."""
    line = next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
    try:
        record = json.loads(line)
    except ValueError:
        return line
    return str(record.get("err", line)) if isinstance(record, dict) else line
