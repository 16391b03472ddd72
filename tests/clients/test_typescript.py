"""The TypeScript client: its types are those of the interface, and the page has the client as it is built.

Its behaviour is tested by `node --test tests/clients/*.test.js`, and in Chromium by `tests/e2e/test_client.py`.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.paths import ROOT

SOURCE = ROOT / "clients" / "typescript"
TOOLS = SOURCE / "node_modules" / ".bin"
PAGE = ROOT / "src" / "shortlist" / "serve" / "page" / "client"
needs_tools = pytest.mark.skipif(
    not (TOOLS / "tsc").exists() or shutil.which("node") is None,
    reason="the tools of the TypeScript client are not installed; run: make clients (needs npm)",
)
STALE = "is not what the sources make; write it anew: make clients"


def run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in command], cwd=SOURCE, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_tools
def test_the_page_has_the_client_as_it_is_built(tmp_path: Path) -> None:
    """Built together with `test/types.ts`, which has calls that compile, and calls that must not."""
    run(TOOLS / "tsc", "--project", "tsconfig.check.json", "--outDir", tmp_path)
    run("node", "vendor.mjs", tmp_path / "src", tmp_path / "page")
    made = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "page").iterdir()}
    assert "index.js" in made
    assert {path.name: path.read_text(encoding="utf-8") for path in PAGE.iterdir()} == made, f"{PAGE} {STALE}"


@needs_tools
def test_its_types_are_made_from_the_interface(tmp_path: Path) -> None:
    made = tmp_path / "openapi.ts"
    options = ("--root-types", "--root-types-no-schema-prefix")
    run(TOOLS / "openapi-typescript", ROOT / "docs/reference/openapi.json", *options, "--output", made)
    kept = SOURCE / "src" / "openapi.ts"
    assert kept.read_text(encoding="utf-8") == made.read_text(encoding="utf-8"), f"{kept} {STALE}"


def test_the_built_client_has_no_dependencies() -> None:
    """Also without the tools: modules of the page import each other only."""
    names = {path.name for path in PAGE.iterdir()}
    for path in PAGE.iterdir():
        imported = [
            line.rsplit('"', 2)[1]
            for line in path.read_text(encoding="utf-8").splitlines()
            if " from " in line and line.startswith(("import", "export"))
        ]
        assert {name.removeprefix("./") for name in imported} <= names, path.name
