"""Start and stop a real Kubernetes control plane on loopback, its nodes played by KWOK."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from energy.errors import UnavailableError
from simulator.sandbox.kwok_cluster import KwokCluster, StartError
from simulator.sandbox.kwokctl_configuration import ControlPlaneOptions
from simulator.sandbox.processes import treat_sigterm_as_interrupt
from simulator.sandbox.toolchain import Toolchain


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
        self._cluster = KwokCluster(toolchain, self._options, Path())
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
        self._options.programs(self._toolchain)  # what is missing is named before anything is made
        folder = Path(tempfile.mkdtemp(prefix="negawatt-control-plane-")).resolve()
        self._cluster = KwokCluster(self._toolchain, self._options, folder)
        self.kubeconfig = self._cluster.kubeconfig
        self._restore_sigterm = treat_sigterm_as_interrupt()
        try:
            self._cluster.prepare()
            self.ports = self._cluster.ports
            self._cluster.start()
        except BaseException as error:
            self._cluster.end_processes()
            self._restore_sigterm()
            if isinstance(error, StartError) and any(self._cluster.logs.glob("*")):
                raise UnavailableError(
                    f"the control plane did not start: {error}",
                    where=str(self._cluster.logs),
                    mend=f"read the logs there, then remove {folder}",
                ) from error
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, StartError):
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
        self._cluster.end_processes()
        shutil.rmtree(self._cluster.folder, ignore_errors=True)
        self._restore_sigterm()

    def process_ids(self) -> list[int]:
        """Give the ids of the processes that run for this control plane."""
        return self._cluster.process_ids()

    def log(self, component: str) -> Path:
        """Give the log file of a component, such as `kube-scheduler`."""
        return self._cluster.log(component)

    def kubectl(self, *arguments: str, manifest: object = None) -> str:
        """Run kubectl against it; `manifest` (JSON-ready) goes to its input. Gives its output.

        Raises:
            UnavailableError: kubectl failed, and the message holds what it said; or it was not
                done after KUBECTL_SECONDS_MAX.
        """
        return self._cluster.kubectl(*arguments, manifest=manifest)
