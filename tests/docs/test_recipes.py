"""Every shell command of the recipes runs in an empty folder, servers included."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from shortlist.simulate.registry import WORLDS
from support.paths import ROOT
from support.servers import free_port

RECIPES = sorted((ROOT / "docs" / "recipes").glob("*.md"))
DATA = ROOT.parent / "shared" / "data"


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


class Shell:
    """Runs shell commands with the installed `shortlist` on the path; servers run until `end`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.servers = folder, free_port(), list[subprocess.Popen[bytes]]()
        own = str(Path(sys.executable).parent)
        self.environment = {**os.environ, "PATH": f"{own}:{os.environ['PATH']}", "COLUMNS": "120"}

    def run(self, line: str) -> str:
        line = line.replace("8000", str(self.port)) if re.search(r"--port 8000|:8000", line) else line
        if line.startswith("shortlist serve"):
            self.serve(line)
            return ""
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

    def serve(self, line: str) -> None:
        server = subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.servers.append(server)
        for _ in range(400):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1):
                    return
            except OSError:
                assert server.poll() is None, line
                time.sleep(0.1)
        raise AssertionError(f"{line}: the server did not start")

    def end(self) -> None:
        for server in self.servers:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(20)


def test_every_world_has_a_recipe() -> None:
    assert {page.stem for page in RECIPES} == set(WORLDS)
    for page in RECIPES:
        text = page.read_text(encoding="utf-8")
        for part in ("## Decisions", "## Measures", "## Common mistakes", "## Your own data"):
            assert part in text, f"{page.name}: {part}"
        for link in re.findall(r"\]\(([^)#]+)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("page", RECIPES, ids=lambda p: p.stem)
def test_every_command_runs(page: Path, tmp_path: Path, full: bool) -> None:
    lines = commands(page)
    assert len(lines) >= 5
    shell = Shell(tmp_path)
    missing = []
    for name in ("frappe", "movielens-100k"):
        if full and (DATA / name).exists():
            (tmp_path / name).symlink_to(DATA / name)
        else:
            missing.append(
                name
            )  # public data sets are used by the full tests only, and only where they exist
    skipped = [f"{name}.toml" for name in missing] + (["ml.toml"] if "movielens-100k" in missing else [])
    try:
        for line in lines:
            if not any(word in line for word in (*missing, *skipped)):
                output = shell.run(line)
                if line.startswith("curl"):
                    assert output.startswith("{"), output[:200]
    finally:
        shell.end()
    assert (tmp_path / f"{page.stem}.html").read_text().startswith("<!doctype html>")
