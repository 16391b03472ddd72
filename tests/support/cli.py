"""The command line, in this process or as a child process."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from typer.main import get_command

from shortlist.cli.main import app, main
from support.forked import ForkedCommand
from support.sizes import FULL


def run(*arguments: object, cwd: Path, ok: bool = True, child: bool = FULL) -> str:
    """Run `shortlist` with these arguments and return its output, stdout before stderr.

    `ok` says whether the command has to succeed. A traceback on stderr fails the test either way.

    The short form of the tests runs the same `main` in this process. `child` asks for a process nevertheless.
    """
    words = [str(argument) for argument in arguments]
    code, out, err = in_child(words, cwd) if child else in_process(words, cwd)
    assert (code == 0) is ok, out + err
    assert "Traceback" not in err
    return out + err


def options_of(command: str) -> set[str]:
    """Return the options that a command has."""
    found: Any = get_command(app).commands[command]  # type: ignore[attr-defined]
    return {option for parameter in found.params for option in parameter.opts}


def in_child(words: list[str], cwd: Path) -> tuple[int, str, str]:
    """Run `shortlist` as a child process, which in the long form starts a new interpreter; return its exit status, stdout and stderr."""
    if FULL:
        command = [sys.executable, "-m", "shortlist.cli", *words]
        done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, timeout=900)
        return done.returncode, done.stdout, done.stderr
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "stdout", Path(folder) / "stderr"
        code = ForkedCommand(words, dict(os.environ), cwd, out, err).wait(900)
        return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")


def in_process(
    words: list[str], cwd: Path, environment: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Run `main` of the command line here, as a process of its own would; return the same three. What ends a process with a traceback is raised."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.object(sys, "argv", ["shortlist", *words]),
        patch.dict(os.environ, environment or {}),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return code, out.getvalue(), err.getvalue()
