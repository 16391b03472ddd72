"""What tests share: a small world, trained once, and MovieLens-100K where the folder is there."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from shortlist.data.dataset import Dataset
from shortlist.recommender import Recommender
from shortlist.simulate.movies import make_movies
from shortlist.simulate.world import World

ROOT = Path(__file__).parents[1]
MOVIELENS = ROOT.parent / "shared" / "data" / "movielens-100k"


def plain(world: World) -> World:
    """A world whose project is nothing but a cascade: it draws nothing by chance, so that the same request has the same answer, learns from
    candidates, re-ranks by utility alone, and is seen as plain slates."""
    rerank = {name: value for name, value in world.settings["rerank"].items() if name != "new_items"}
    settings = {
        **world.settings,
        "rank": {},
        "rerank": {**rerank, "diversity": 0.0},
        "view": "slate",
    }
    return replace(world, settings=settings)


@pytest.fixture(scope="session")
def world() -> World:
    return plain(make_movies(users=600, items=300, sessions=4_000, days=60, seed=3))


@pytest.fixture(scope="session")
def dataset(world: World) -> Dataset:
    return world.dataset()


@pytest.fixture(scope="session")
def recommender(dataset: Dataset) -> Recommender:
    return Recommender(dataset.project).fit(dataset)


@pytest.fixture(scope="session")
def bundle(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recommender.save(tmp_path_factory.mktemp("bundles") / "bundle")


@pytest.fixture(scope="session")
def movielens() -> Path:
    if not MOVIELENS.exists():
        pytest.skip(
            f"{MOVIELENS} is not there: MovieLens-100K may not be redistributed, so it is not part of the project"
        )
    return MOVIELENS


CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The real Chromium that all browser tests drive."""
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is missing; run: sudo apt-get install -y chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Server:
    """`shortlist serve` as a person starts it, in processes of its own."""

    def __init__(
        self, bundle: Path, store: Path | str, *options: str, environment: dict[str, str] | None = None
    ) -> None:
        self.bundle, self.store, self.port = bundle, store, free_port()
        self.options, self.environment = options, environment or {}
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "shortlist.cli", "serve", str(self.bundle)]
        command += ["--port", str(self.port), "--store", str(self.store), *self.options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **self.environment},
        )
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=1):
                    return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise RuntimeError("the server did not come up")

    def kill(self) -> None:
        """End it as a power cut would: all of its processes, at once, without a word."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


class Postgres:
    """A real PostgreSQL on a free loopback port, in a folder of its own."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            pytest.skip("PostgreSQL is missing; run: sudo apt-get install -y postgresql")
        self.bin, self.port = found[-1].parent, free_port()
        # not in pytest's own folder, which nobody but root may enter: PostgreSQL refuses to run as root
        self.folder = folder = Path(tempfile.mkdtemp(prefix="shortlist-"))
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-U", "shortlist", "-A", "trust")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "shortlist", "shortlist")

    def _run(self, program: str, *arguments: str) -> None:
        who = (
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        )
        done = subprocess.run(
            [*who, str(self.bin / program), *arguments], capture_output=True, text=True, cwd=self.folder
        )
        assert done.returncode == 0, done.stderr + done.stdout

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-w", "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", how, "-w", "stop")

    def remove(self) -> None:
        """Stop it, and leave nothing behind."""
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def server(self) -> str:
        return f"postgresql://shortlist@127.0.0.1:{self.port}"

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "shortlist", name)
        return f"{self.server}/{name}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    one = Postgres()
    yield one
    one.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be: each test that asks runs on both."""
    if request.param == "sqlite":
        return str(tmp_path / "events.sqlite")
    return str(request.getfixturevalue("postgres").database())


@pytest.fixture(scope="module")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(bundle, tmp_path_factory.mktemp("store") / "events.sqlite")
    yield server
    server.stop()
