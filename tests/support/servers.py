"""`shortlist serve` as a child process on a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path


def free_port() -> int:
    """Return a TCP port of the loopback interface that is not in use."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_until_healthy(url: str, is_alive: Callable[[], bool], timeout: float = 180.0) -> None:
    """Wait until the server answers `/healthz`.

    Raises
    ------
    RuntimeError
        If the process ends, or does not answer within `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while time.monotonic() < end and is_alive():
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the server at {url} did not start")


class Server:
    """`shortlist serve` with a bundle and a store, started as a user starts it.

    Attributes
    ----------
    url : str
        Address of the server, without a trailing slash.
    store : Path or str
        The event store, as given to `--store`.
    """

    def __init__(
        self, bundle: Path | str, store: Path | str, *options: str, environment: dict[str, str] | None = None
    ) -> None:
        self.bundle, self.store, self.port = bundle, store, free_port()
        self.options, self.environment = options, environment or {}
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start the process on the same port, and wait until it answers."""
        command = [sys.executable, "-m", "shortlist.cli", "serve", str(self.bundle)]
        command += ["--port", str(self.port), "--store", str(self.store), *self.options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **self.environment},
        )
        wait_until_healthy(self.url, lambda: self.process.poll() is None)

    def kill(self) -> None:
        """Kill all processes of the server at once, as a power failure does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def stop(self) -> None:
        """Stop the server in order (SIGTERM)."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
