"""A real Prometheus on loopback, and targets for it to scrape whose text a test decides."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from simulator.sandbox.ports import free_ports

LOOPBACK = "127.0.0.1"
READY_SECONDS_MAX = 60.0
PATIENCE_SECONDS = 60.0


Page = str | Callable[[], str]


@dataclass
class Targets:
    """Pages of metrics: path -> text or what writes it, changed at will while they are served."""

    pages: dict[str, Page] = field(default_factory=dict)
    port: int = 0


@contextmanager
def targets() -> Iterator[Targets]:
    """Serve pages on a free loopback port; a path without one answers 404, as a dead target."""
    served = Targets()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = served.pages.get(self.path)
            body = (page() if callable(page) else page or "").encode()
            # On a busy machine a scrape may time out before it is answered.
            with suppress(ConnectionError):
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    served.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def job(
    name: str, served: Targets, path: str, *, interval: str = "1s", **labels: str
) -> dict[str, object]:
    """Return a scrape job of one page; `labels` are the target's own, such as `instance`."""
    return {
        "job_name": name,
        "metrics_path": path,
        "scrape_interval": interval,
        "scrape_timeout": interval,
        "static_configs": [{"targets": [f"{LOOPBACK}:{served.port}"], "labels": labels}],
    }


@contextmanager
def prometheus(
    folder: Path,
    *jobs: Mapping[str, object],
    arguments: tuple[str, ...] = (),
    is_ready: Callable[[str], bool] | None = None,
    scheme: str = "http",
    port: int | None = None,
) -> Iterator[str]:
    """Run Prometheus with these jobs in `folder`; give its address once it is ready.

    ``port`` is for one that comes back where it was; else any that is free.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "prometheus.yml"
    configuration.write_text(yaml.safe_dump({"scrape_configs": list(jobs)}))
    port = port or free_ports(1)[0]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={LOOPBACK}:{port}",
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    url = f"{scheme}://{LOOPBACK}:{port}"
    try:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not (is_ready or _answers)(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "prometheus.log").read_text()[-2000:])
            time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/-/ready", timeout=5):  # noqa: S310 - loopback
            return True
    except (URLError, OSError):
        return False


def wait_until(met: Callable[[], bool]) -> None:
    """Wait for something that a real component does in its own time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
