"""What tests share: a small world, trained once, and MovieLens-100K where the folder is there."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from shortlist.data.dataset import Dataset
from shortlist.recommender import Recommender
from shortlist.simulate.movies import make_movies
from shortlist.simulate.world import World

ROOT = Path(__file__).parents[1]
MOVIELENS = ROOT.parent / "shared" / "data" / "movielens-100k"


@pytest.fixture(scope="session")
def world() -> World:
    return make_movies(users=600, items=300, sessions=4_000, days=60, seed=3)


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
    """`shortlist serve` as a person starts it, in its own process."""

    def __init__(self, bundle: Path, store: Path) -> None:
        self.bundle, self.store, self.port = bundle, store, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "shortlist.cli",
            "serve",
            str(self.bundle),
            "--port",
            str(self.port),
            "--store",
            str(self.store),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=1):
                    return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.2)
        raise RuntimeError("the server did not come up")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(bundle, tmp_path_factory.mktemp("store") / "events.sqlite")
    yield server
    server.stop()
