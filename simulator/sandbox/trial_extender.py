"""The extender of a trial: a process on loopback that says where it listens."""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from simulator.policy import Setting
from simulator.sandbox.trial_processes import TrialProcess

ANSWER_SECONDS_MAX = 5.0
ENVIRONMENT = "NEGAWATT_EXTENDER__"
_ANSWERS = re.compile(
    r'^negawatt_extender_requests_total\{code="(\d+)",verb="prioritize"\} (\S+)$', re.MULTILINE
)
_FAILED = re.compile(
    r'^negawatt_extender_internal_errors_total\{verb="prioritize"\} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningExtender:
    """An extender that answers; `url` is `http://HOST:PORT`."""

    url: str
    process: TrialProcess

    @property
    def process_id(self) -> int:
        """Its process."""
        return self.process.process_id

    def prioritize_answers(self) -> dict[str, int]:
        """How often ours answered a prioritize request, by HTTP code; empty for other programs.

        `failed` counts the answers without an opinion because scoring failed.
        """
        try:
            with urllib.request.urlopen(f"{self.url}/metrics", timeout=ANSWER_SECONDS_MAX) as page:  # noqa: S310 - our own process on loopback
                text = page.read().decode()
        except (urllib.error.URLError, OSError):
            return {}
        answers = {code: int(float(count)) for code, count in _ANSWERS.findall(text)}
        if failed := _FAILED.search(text):
            answers["failed"] = int(float(failed[1]))
        return answers


def negawatt_environment(
    *,
    kubeconfig: Path,
    power_profiles: Path,
    setting: Setting,
    scheduler_name: str,
    expected_demand: Path | None = None,
    ledger: Path | None = None,
) -> dict[str, str]:
    """Tell our extender, through its environment, what a column of the benchmark says.

    `ledger` is the SQLite file to write decisions to; without one they are not kept.
    """
    told = {
        "mode": "act",
        "kubeconfig": str(kubeconfig),
        "port": "0",
        "scheduler_names": scheduler_name,
        "power_profiles": str(power_profiles),
        "usage_ratio": str(setting.usage_ratio),
        "nodes_may_sleep": str(setting.nodes_may_sleep).lower(),
        "ledger_url": "none" if ledger is None else f"sqlite:///{ledger}",
        "drain_seconds": "0",
    }
    if expected_demand is not None:
        told["expected_demand"] = str(expected_demand)
    return {f"{ENVIRONMENT}{name.upper()}": value for name, value in told.items()}


@contextmanager
def negawatt_extender(environ: Mapping[str, str], log: Path) -> Iterator[RunningExtender]:
    """Run our extender until the block ends. Raises UnavailableError if it does not get ready."""
    with running_extender([sys.executable, "-m", "extender"], log, environ) as extender:
        yield extender


@contextmanager
def running_extender(
    command: list[str], log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[RunningExtender]:
    """Run a program that says `listening on URL` until the block ends; wait until it is ready."""
    with TrialProcess(command, log, environ=environ) as process:
        url = process.address()
        process.wait_until(lambda: is_ready(url), "the extender is not ready")
        yield RunningExtender(url=url, process=process)


def is_ready(url: str) -> bool:
    """Whether a server says on /readyz that it knows the cluster."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=ANSWER_SECONDS_MAX) as answer:  # noqa: S310 - our own process on loopback
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False
