"""Shell commands of documentation pages, run as a reader would run them."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Self

from support.cli import in_process
from support.servers import RunningCommand, free_port, start_command, wait_until_healthy
from support.sizes import FULL


def code_blocks(page: Path, language: str, options: str = "") -> list[str]:
    """Return the fenced code blocks of a page in one language, also those in tabs.

    Parameters
    ----------
    page
        A Markdown file.
    language
        As the fence names it.
    options
        Regular expression of what else the fence has (default: nothing).
    """
    fence = re.compile(rf"^( *)```{language}{options}\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
    return [dedent(block) for _, block in fence.findall(page.read_text(encoding="utf-8"))]


def command_lines(block: str) -> list[str]:
    """Return the commands of a shell block, one per line; a line that ends in a backslash continues on the next."""
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


class Shell:
    """Runs shell commands with the installed `shortlist` on the path; servers run until the end of the context.

    In the short form of the tests, a line that is nothing but a `shortlist` command is run in this process, which saves the
    seconds that a process takes to start.

    Parameters
    ----------
    folder
        Working directory of the commands.
    columns
        Width of the terminal.
    fresh
        Whether servers start in a new interpreter (see `Server`).
    """

    def __init__(self, folder: Path, columns: int = 120, *, fresh: bool = FULL) -> None:
        self.folder, self.port, self.fresh = folder, free_port(), fresh
        self.servers: list[RunningCommand] = []
        own = str(Path(sys.executable).parent)
        self.environment = {
            **os.environ,
            "PATH": f"{own}:{os.environ['PATH']}",
            "COLUMNS": str(columns),
        }

    def run(self, line: str) -> str:
        """Run a command and return its output. `shortlist serve` starts a server, and port 8000 becomes a free one."""
        line = line.replace("8000", str(self.port)) if re.search(r"--port 8000|:8000", line) else line
        if line.startswith("shortlist serve"):
            self._serve(line)
            return ""
        if not FULL and line.startswith("shortlist ") and not re.search(r"[|;&<>$`]", line):
            words = shlex.split(line, comments=True)[1:]
            code, out, err = in_process(words, self.folder, self.environment)
            assert code == 0, f"{line}\n{out[-3000:]}\n{err[-3000:]}"
            return out
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def _serve(self, line: str) -> None:
        words = shlex.split(line, comments=True)[1:]
        server = start_command(words, self.environment, cwd=self.folder, fresh=self.fresh)
        self.servers.append(server)
        wait_until_healthy(f"http://127.0.0.1:{self.port}", lambda: server.poll() is None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for server in self.servers:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(20)
