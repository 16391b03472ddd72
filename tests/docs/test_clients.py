"""The examples of the guide to the clients run against a real server: Python here, TypeScript in Node."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from shortlist.serve.keys import make_key
from shortlist.store.event_store import EventStore
from support.embedded import EmbeddedServer
from support.http import bearer, call
from support.paths import ROOT
from support.shell import code_blocks

GUIDE = ROOT / "docs" / "how-to" / "clients.md"
BUILT = ROOT / "src" / "shortlist" / "serve" / "page" / "client" / "index.js"
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def running(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """The address of a server, a public key, and a key of an administrator."""
    target = tmp_path_factory.mktemp("guide") / "e.sqlite"
    store = EventStore(target)
    public, admin = make_key(store, "web", ["public"], 100), make_key(store, "admin", ["admin"], 100)
    store.close()
    server = EmbeddedServer(bundle, target)
    yield server.url, public, admin
    server.stop()


def events(url: str, admin: str) -> int:
    return len(call(f"{url}/v1/users/u00004/export", headers=bearer(admin))[1]["events"])


def test_the_python_examples_run(
    running: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url, public, admin = running
    monkeypatch.setenv("SHORTLIST_KEY", public)
    before, namespace = events(url, admin), dict[str, object](__name__="guide")
    *blocks, signing = code_blocks(GUIDE, "python")
    assert len(blocks) == 2
    for block in blocks:
        assert ADDRESS in block
        exec(compile(block.replace(ADDRESS, url), GUIDE.name, "exec"), namespace)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("422 weights.fame ")
    assert second == "10 5"
    assert third.count("'") >= 6  # titles of three rows
    assert events(url, admin) == before + 2
    exec(compile(signing, GUIDE.name, "exec"), namespace)
    claims = jwt.decode(str(namespace["token"]), str(namespace["secret"]), algorithms=["HS256"])
    assert claims["sub"] == "u00004"


def test_the_typescript_example_runs(running: tuple[str, str, str], tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is missing; run: sudo apt-get install -y nodejs")
    url, public, admin = running
    before = events(url, admin)
    (block,) = code_blocks(GUIDE, "ts")
    assert ADDRESS in block
    program = tmp_path / "example.mjs"
    program.write_text(block.replace(ADDRESS, url).replace("@shortlist/client", BUILT.as_uri()))
    environment = {"SHORTLIST_KEY": public}
    done = subprocess.run(
        ["node", str(program)], capture_output=True, text=True, check=False, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("422 weights.fame ")
    assert second == "10 5"
    assert events(url, admin) == before + 1
