"""The command line as a child process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(*arguments: object, cwd: Path, ok: bool = True) -> str:
    """Run `shortlist` with these arguments and return its output, stdout before stderr.

    `ok` says whether the command has to succeed. A traceback on stderr fails the test either way.
    """
    done = subprocess.run(
        [sys.executable, "-m", "shortlist.cli", *map(str, arguments)],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr
