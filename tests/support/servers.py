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

from support.forked import ForkedCommand
from support.sizes import FULL

RunningCommand = ForkedCommand | subprocess.Popen[bytes]


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
    """`shortlist serve` with a bundle and a store, in processes of its own.

    Parameters
    ----------
    bundle, store, options
        Arguments of the command.
    environment
        Variables that are added to those of this process.
    output
        File to which the server writes (default: nowhere).
    fresh
        Whether to start the program as a user does, in a new interpreter, instead of forking it from a process that has imported it
        (default: in the long form of the tests).

    Attributes
    ----------
    url : str
        Address of the server, without a trailing slash.
    store : Path or str
        The event store, as given to `--store`.
    """

    def __init__(
        self,
        bundle: Path | str,
        store: Path | str,
        *options: str,
        environment: dict[str, str] | None = None,
        output: Path | None = None,
        fresh: bool = FULL,
    ) -> None:
        self.bundle, self.store, self.port = bundle, store, free_port()
        self.options, self.environment = options, environment or {}
        self.output, self.fresh = output or Path(os.devnull), fresh
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start the process on the same port, and wait until it answers."""
        words = [
            "serve",
            str(self.bundle),
            "--port",
            str(self.port),
            "--store",
            str(self.store),
            *self.options,
        ]
        self.process = start_command(words, self.environment, output=self.output, fresh=self.fresh)
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
        except (subprocess.TimeoutExpired, TimeoutError):
            self.kill()


def start_command(
    words: list[str],
    environment: dict[str, str],
    *,
    cwd: Path | None = None,
    output: Path = Path(os.devnull),
    fresh: bool = FULL,
) -> RunningCommand:
    """Start a `shortlist` command in a session of its own; parameters as of `Server`."""
    variables = {**os.environ, **environment}
    if not fresh:
        return ForkedCommand(words, variables, cwd or Path.cwd(), output)
    with output.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "shortlist.cli", *words],
            stdout=file,
            stderr=file,
            start_new_session=True,
            env=variables,
            cwd=cwd,
        )
