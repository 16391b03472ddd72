"""Bundles and decisions are replaced whole, also when the process is killed and when others read or write."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shortlist.bundle import atomic
from shortlist.bundle.atomic import replace_file, replace_folder
from shortlist.bundle.format import read_manifest
from shortlist.bundle.registry import BundleRegistry
from shortlist.errors import BundleError
from shortlist.recommender import Recommender
from support.bundles import copy_bundle

SAVE = "import sys\nfrom shortlist.recommender import Recommender\nr = Recommender.load(sys.argv[1])\nwhile True:\n    r.save(sys.argv[1])"


def writes(text: str, *names: str) -> Callable[[Path], None]:
    """Return a function that fills a folder with files of one text."""

    def fill(fresh: Path) -> None:
        for name in names or ("a",):
            (fresh / name).write_text(text)

    return fill


def test_a_folder_is_replaced_in_one_step(tmp_path: Path) -> None:
    """A thread that looks all the time never finds the folder missing or half."""
    folder = tmp_path / "b"
    stop, wrong = threading.Event(), list[str]()

    replace_folder(folder, writes("0", "a", "b"))

    def look() -> None:
        while not stop.is_set():
            handle = os.open(folder, os.O_RDONLY)  # holds on to one folder, whatever its name is by then
            try:
                found = {n: Path(f"/proc/self/fd/{handle}/{n}").read_text() for n in ("a", "b")}
                if len(set(found.values())) != 1:
                    wrong.append(str(found))
            except FileNotFoundError:
                if not folder.exists():
                    wrong.append("missing")
            finally:
                os.close(handle)

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(1, 60):
        replace_folder(folder, writes(str(number), "a", "b"))
    stop.set()
    thread.join()
    assert wrong == []
    assert (folder / "a").read_text() == "59"
    assert [path.name for path in tmp_path.iterdir()] == ["b"], "nothing is left beside it"


def test_a_failure_leaves_the_earlier_content(tmp_path: Path) -> None:
    folder, file = tmp_path / "b", tmp_path / "f.json"
    replace_folder(folder, writes("1"))
    replace_file(file, "1")

    def fail(fresh: Path) -> None:
        (fresh / "a").write_text("2")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        replace_folder(folder, fail)
    with pytest.raises(UnicodeEncodeError):
        replace_file(file, "\ud800")
    assert ((folder / "a").read_text(), file.read_text()) == ("1", "1")
    assert {path.name for path in tmp_path.iterdir()} == {"b", "f.json"}


def test_without_an_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system cannot exchange folders, the earlier one is moved aside."""
    monkeypatch.setattr(atomic, "_exchange", lambda _one, _other: False)
    for text in ("1", "2"):
        replace_folder(tmp_path / "b", writes(text))
    assert (tmp_path / "b" / "a").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    old, young = tmp_path / ".b-12345678", tmp_path / ".b-87654321"
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (time.time() - 2 * atomic.LEFT_BEHIND,) * 2)
    replace_folder(tmp_path / "b", writes("1"))
    assert {path.name for path in tmp_path.iterdir()} == {"b", young.name}


def test_kills_while_saving(bundle: Path, tmp_path: Path, full: bool) -> None:
    """Whenever a process is killed that saves over a bundle, a whole bundle is there."""
    rng = random.Random(1)
    shutil.copytree(bundle, tmp_path / "bundle")
    for _ in range(20 if full else 3):
        before = (tmp_path / "bundle").stat().st_ino
        process = subprocess.Popen(
            [sys.executable, "-c", SAVE, str(tmp_path / "bundle")], stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 60
        while (tmp_path / "bundle").stat().st_ino == before and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        process.wait()
        read_manifest(tmp_path / "bundle")


def test_a_bundle_that_is_replaced_while_it_is_read(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "bundle")
    recommender = Recommender.load(bundle)
    stop = threading.Event()

    def save() -> None:
        while not stop.is_set():
            recommender.save(tmp_path / "bundle")
            time.sleep(0.3)

    thread = threading.Thread(target=save)
    thread.start()
    try:
        for _ in range(4):
            assert Recommender.load(tmp_path / "bundle").version == recommender.version
    finally:
        stop.set()
        thread.join()


def test_decisions_at_the_same_time(bundle: Path, tmp_path: Path) -> None:
    """Forty rejections from four threads, each with a registry of its own: none is lost."""
    copy_bundle(bundle, tmp_path / "b1", "v1", 1_000)

    def reject(number: int) -> None:
        BundleRegistry(tmp_path).reject(f"v{number}", "worse")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(reject, range(40)))
    assert set(BundleRegistry(tmp_path).decisions()["rejected"]) == {f"v{number}" for number in range(40)}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"pinned": 3}', "pinned"),
        ('{"rejected": {"v1": null}}', "rejected.v1"),
        ('{"canary": {"version": "v1", "share": 2}}', "canary.share"),
        ('{"served": "v1"}', "served"),
        ("[]", None),
        ('{"served": [', None),
    ],
)
def test_damaged_decisions(bundle: Path, tmp_path: Path, text: str, field: str | None) -> None:
    copy_bundle(bundle, tmp_path / "b1", "v1", 1_000)
    (tmp_path / "models.json").write_text(text)
    with pytest.raises(BundleError, match=r"models\.json is damaged") as error:
        BundleRegistry(tmp_path).current()
    assert error.value.field == field
    (tmp_path / "models.json").write_text(json.dumps({"pinned": None}))
    assert BundleRegistry(tmp_path).current().version == "v1"
