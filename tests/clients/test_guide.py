"""The examples of the clients' guide run against a real server, and the packages contain what they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from shortlist_client import AsyncClient, Client
from support.embedded import EmbeddedServer
from support.http import call
from support.paths import ROOT
from support.shell import code_blocks
from support.wheels import build_wheel

GUIDE = ROOT / "docs" / "how-to" / "clients.md"
BUILT = ROOT / "src" / "shortlist" / "serve" / "page" / "client" / "index.js"
ADDRESS = "http://127.0.0.1:8000"
LICENCE = (ROOT / "LICENSE").read_bytes()


@pytest.fixture(scope="module")
def address(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedServer(bundle, tmp_path_factory.mktemp("guide") / "events.sqlite")
    yield server.url
    server.stop()


def _events(address: str) -> int:
    return len(call(f"{address}/v1/users/u00004/export")[1]["events"])


def test_the_python_examples(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The blocks of the page share one namespace and run in order; what they track is stored."""
    namespace: dict[str, object] = {"__name__": "page"}
    before = _events(address)
    for number, code in enumerate(code_blocks(GUIDE, "python")):
        exec(compile(code.replace(ADDRESS, address), f"clients.md:{number}", "exec"), namespace)
    first, second, third, last = capsys.readouterr().out.splitlines()
    assert first.startswith("422 weights.fame ")
    assert second == "10 5"
    assert third.count("'") >= 6  # titles of three rows
    assert last.startswith("3 5 3 ")
    assert "{'country': 'NO'}" in last
    assert _events(address) == before + 2
    claims = jwt.decode(str(namespace["token"]), str(namespace["secret"]), algorithms=["HS256"])
    assert claims["sub"] == "u00004"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_typescript_examples(address: str, tmp_path: Path) -> None:
    """They have no annotations, so they run as they are, with the client as the server has it."""
    examples = code_blocks(GUIDE, "ts")
    assert len(examples) == 2
    before, printed = _events(address), []
    for number, code in enumerate(examples):
        script = tmp_path / f"example{number}.mjs"
        script.write_text(code.replace(ADDRESS, address).replace("@shortlist/client", BUILT.as_uri()))
        done = subprocess.run(["node", script], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        printed += done.stdout.splitlines()
    first, second, last = printed
    assert first.startswith("422 weights.fame ")
    assert second == "10 5"
    assert last.startswith("3 5 3 ")
    assert _events(address) == before + 1


def test_the_guide_and_the_readmes_name_every_method() -> None:
    """In both languages: `change_user` is `changeUser`."""
    guide = GUIDE.read_text(encoding="utf-8")
    readmes = {
        language: (ROOT / "clients" / language / "README.md").read_text(encoding="utf-8")
        for language in ("python", "typescript")
    }
    source = (ROOT / "clients" / "typescript" / "src" / "client.ts").read_text(encoding="utf-8")
    methods = [name for name in vars(Client) if not name.startswith("_")]
    assert set(methods) <= set(dir(AsyncClient))
    for name in methods:
        other = re.sub("_(.)", lambda match: match[1].upper(), name)
        assert re.search(rf"^  (async )?{other}(<\w+>)?\(", source, re.MULTILINE), other
        for text, method in (
            (guide, name),
            (guide, other),
            (readmes["python"], name),
            (readmes["typescript"], other),
        ):
            assert f"`{method}(" in text, method


def test_the_python_package(tmp_path: Path) -> None:
    """A wheel that pip builds has the modules, their types and the licence."""
    wheel = build_wheel(ROOT / "clients" / "python", tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        modules = {
            f"shortlist_client/{path.name}"
            for path in (ROOT / "clients/python/src/shortlist_client").glob("*.py")
        }
        assert modules | {"shortlist_client/py.typed"} <= names
        (licence,) = (name for name in names if name.endswith("/LICENSE"))
        assert archive.read(licence) == LICENCE


@pytest.mark.skipif(
    shutil.which("npm") is None or not (ROOT / "clients/typescript/node_modules/.bin/tsc").exists(),
    reason="the tools of the TypeScript client are not installed; run: make clients (needs npm)",
)
def test_the_npm_package(tmp_path: Path) -> None:
    """What `npm pack` makes has the modules, their types, the README and the licence, and can be imported."""
    folder = tmp_path / "client"
    shutil.copytree(
        ROOT / "clients" / "typescript", folder, symlinks=True, ignore=shutil.ignore_patterns("dist")
    )
    done = subprocess.run(
        ["npm", "pack", "--json", "--pack-destination", tmp_path],
        cwd=folder,
        capture_output=True,
        check=True,
        timeout=120,
    )
    text = done.stdout.decode()
    (packed,) = json.loads(text[text.index("[") :])
    names = {one["path"] for one in packed["files"]}
    assert {
        "README.md",
        "LICENSE",
        "package.json",
        "dist/index.js",
        "dist/index.d.ts",
        "src/client.ts",
    } <= names
    assert not [name for name in names if name.startswith(("test/", "node_modules/"))]
    with tarfile.open(tmp_path / packed["filename"]) as archive:
        archive.extractall(tmp_path / "node_modules" / "@shortlist", filter="data")
    (tmp_path / "node_modules" / "@shortlist" / "package").rename(
        tmp_path / "node_modules" / "@shortlist" / "client"
    )
    script = tmp_path / "use.mjs"
    script.write_text(
        'import { ShortlistClient } from "@shortlist/client"; console.log(new ShortlistClient({ url: "" }).rank.length);'
    )
    assert subprocess.run(
        ["node", script], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()
