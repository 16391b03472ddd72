"""Commands as child processes that are forked from one which has imported everything.

A Python process of its own spends two to three seconds of processor time on imports before a server answers. Here `multiprocessing`'s
fork server imports once for all tests of a worker; a command is then a process like any other, with its own
memory, environment, working directory, session and signals, that starts in a fraction of a second.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from unittest.mock import patch


class ForkedCommand:
    """A running `shortlist` command, with those methods of `subprocess.Popen` that tests use.

    Parameters
    ----------
    words
        Arguments of `shortlist`.
    environment
        The whole environment of the process.
    cwd
        Working directory.
    output, errors
        Files to which it appends stdout and stderr (default of the second: the first).
    """

    def __init__(
        self,
        words: list[str],
        environment: dict[str, str],
        cwd: Path,
        output: Path,
        errors: Path | None = None,
    ) -> None:
        arguments = (words, environment, str(cwd), (str(output), str(errors or output)))
        self._process: ForkServerProcess = _context().Process(target=run_command, args=arguments)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Wait for the end and return the exit status.

        Raises
        ------
        TimeoutError
            If the process still runs after `timeout` seconds.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError(f"process {self.pid} has not ended within {timeout:g} s")
        return self._process.exitcode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()


def run_command(words: list[str], environment: dict[str, str], cwd: str, outputs: tuple[str, str]) -> None:
    """Become the command: runs in the child."""
    os.setsid()
    multiprocessing.set_start_method("fork", force=True)  # of the workers of a server
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for descriptor, output in enumerate(outputs, 1):
        opened = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.argv = ["shortlist", *words]

    from shortlist.cli.main import main

    main()


@functools.cache
def _context() -> ForkServerContext:
    """Start the process that imports; it ends with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.preloaded"])
    with patch.dict(os.environ, {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}):
        forkserver.ensure_running()
    return context
