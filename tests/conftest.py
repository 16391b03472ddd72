"""Fixtures that all tests share: a small world, a recommender trained on it, stores, servers and a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, expect, sync_playwright

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.recommender import Recommender
from shortlist.simulate.world import World
from support import collector
from support.cache import cached_folder
from support.order import longest_first
from support.paths import MOVIELENS
from support.postgres import Postgres
from support.servers import Server
from support.sizes import FULL
from support.spark_cluster import small_session
from support.worlds import quick_training, small_world

# no deadline: other processes may run at the same time. The same examples each time, so that whether a change passes does not
# depend on luck; the long form searches among new ones
settings.register_profile("shared machine", deadline=None, derandomize=not FULL)
settings.load_profile("shared machine")

collector.rest()

TESTS = Path(__file__).parent
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",
    "--process-per-site",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-features=Translate,OptimizationHints,MediaRouter,SpareRendererForSitePerProcess",
    "--disable-sync",
]
"""A page takes a quarter less processor time with as few processes as possible and without what only people need."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the workers begin with the longest files; skip tests marked `slow` unless `SHORTLIST_TEST_FULL` is set."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = longest_first(items, lambda item: item.path.relative_to(TESTS).as_posix(), workers)
    if not FULL:
        skip = pytest.mark.skip(reason="takes minutes; run it with: make test-full")
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(skip)


def pytest_collection_finish() -> None:
    """Let the garbage collector work again."""
    collector.resume()


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the long form of a test is wanted (`make test-full`)."""
    return FULL


@pytest.fixture(scope="session")
def world() -> World:
    """A world of movies: 600 users, 300 items, 4,000 sessions."""
    return small_world()


@pytest.fixture(scope="session")
def project(world: World) -> Project:
    """The project of `world`."""
    return world.project()


@pytest.fixture(scope="session")
def dataset(world: World) -> Dataset:
    """The log of `world`."""
    return world.dataset()


@pytest.fixture(scope="session")
def recommender(bundle: Path) -> Recommender:
    """A recommender trained on `dataset`; tests that change its live state load their own from `bundle`."""
    return Recommender.load(bundle)


@pytest.fixture(scope="session")
def bundle(world: World, dataset: Dataset) -> Path:
    """The saved form of `recommender`, shared by all workers; tests that write copy it first."""
    return cached_folder("bundle", lambda folder: Recommender(world.project()).fit(dataset).save(folder))


@pytest.fixture(name="quick_training")
def few_trees_in_a_test() -> Iterator[None]:
    """What this process trains has few trees; not in the long form of the tests."""
    with quick_training():
        yield


@pytest.fixture(scope="session")
def movielens() -> Path:
    """The folder of MovieLens-100K; skips where it is missing."""
    if not MOVIELENS.exists():
        pytest.skip(f"{MOVIELENS} is missing; the license of MovieLens-100K forbids to redistribute it")
    return MOVIELENS


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A session of Spark in this process that all tests of a worker share; it starts when the first of them asks for it."""
    session = small_session()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium that all browser tests of a module share."""
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is missing; run: sudo apt-get install -y chromium"
    expect.set_options(timeout=20_000)  # ms; 5 s are short where other processes run at the same time
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for all tests of a worker; each test creates its own database."""
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store; the test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return str(tmp_path / "events.sqlite")
    return str(request.getfixturevalue("postgres").database())


@pytest.fixture(scope="module")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`shortlist serve` with `bundle` and an empty SQLite store."""
    server = Server(bundle, tmp_path_factory.mktemp("store") / "events.sqlite")
    yield server
    server.stop()
