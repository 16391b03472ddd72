"""Bundles in an object store: published whole, copied, verified, followed, and pruned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.bundle.follow import followed
from shortlist.bundle.format import read_manifest, write_folder
from shortlist.bundle.registry import BundleRegistry
from shortlist.bundle.remote import BundleMirror, local_bundle, publish_bundle
from shortlist.engines.object_store import ObjectStore
from shortlist.errors import BundleError, ShortlistError
from support.objects import S3Server
from support.waiting import wait_for


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def bucket(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, and an empty cache."""
    monkeypatch.setenv("SHORTLIST_CACHE", str(tmp_path / "cache"))
    return s3.bucket()


def make(tmp_path: Path, version: str, made: int, **files: str) -> Path:
    """Write a bundle whose files are texts."""

    def fill(fresh: Path) -> None:
        for name, text in {"state.json": version, "data/log.arrow": "x" * 1000, **files}.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).write_text(text)

    folder = tmp_path / f"local-{version}"
    write_folder(folder, fill, {"model_version": version, "made": made, "name": "test"})
    return folder


def names(address: str) -> list[str]:
    store = ObjectStore.of(address)
    return [store.name_of(one) for one in store.objects()]


def test_a_bundle_is_published_and_copied(bucket: str, tmp_path: Path) -> None:
    address = f"{bucket}/model"
    assert publish_bundle(make(tmp_path, "one", 1), address) == address
    copy = local_bundle(address)
    assert read_manifest(copy)["model_version"] == "one"
    before = copy.stat().st_ino
    assert local_bundle(address).stat().st_ino == before, "what is here is not copied again"
    publish_bundle(make(tmp_path, "two", 2, more="y"), address)
    publish_bundle(make(tmp_path, "three", 3), address)
    assert "more" not in names(address), "files of the earlier bundle are removed"
    assert read_manifest(local_bundle(address))["model_version"] == "three"


def test_what_is_damaged_or_half_written_is_refused(bucket: str, tmp_path: Path) -> None:
    address = f"{bucket}/model"
    publish_bundle(make(tmp_path, "one", 1), address)
    other = tmp_path / "other"
    other.write_text("z" * 1000)
    store = ObjectStore.of(address)
    store.upload(other, "data/log.arrow")
    with pytest.raises(BundleError, match=f"{address}: data/log.arrow is not the file that was saved"):
        local_bundle(address)
    store.remove("data/log.arrow")
    with pytest.raises(BundleError, match=f"{address}/data/log.arrow is missing"):
        local_bundle(address)
    store.remove("manifest.json")  # as while it is replaced
    with pytest.raises(BundleError, match="holds no bundle"):
        local_bundle(address)
    other.write_text(json.dumps({"files": {"../../escaped": "0"}}))
    store.upload(other, "manifest.json")
    with pytest.raises(BundleError, match="names a file outside of the bundle"):
        local_bundle(address)
    assert not list((tmp_path / "cache").rglob("escaped"))


def test_the_newest_of_a_folder_serves_and_is_followed(bucket: str, tmp_path: Path) -> None:
    address = f"{bucket}/models/"
    for number, version in enumerate(("a", "b", "c")):
        where = publish_bundle(make(tmp_path, version, number), address)
        assert where.startswith(f"{bucket}/models/2")
        assert where.endswith(f"-{version}")
    folder = local_bundle(address)
    assert BundleRegistry(folder).current().version == "c"
    assert [one.version for one in BundleRegistry(folder).list()] == ["c"], "only what serves is copied"
    publish_bundle(make(tmp_path, "d", 9), f"{bucket}/models")
    mirror = BundleMirror(address)
    mirror.refresh()
    assert BundleRegistry(folder).current().version == "d"
    BundleRegistry(folder).reject("d", "a check failed here")
    mirror.refresh()
    assert BundleRegistry(folder).current().version == "c", "what was rejected here stays rejected"


def test_decisions_lie_beside_the_bundles(bucket: str, tmp_path: Path) -> None:
    address = f"{bucket}/models"
    for number, version in enumerate(("a", "b", "c")):
        publish_bundle(make(tmp_path, version, number), f"{address}/")
    decisions = tmp_path / "models.json"
    decisions.write_text(json.dumps({"pinned": "a", "rejected": {"c": "worse"}}))
    ObjectStore.of(address).upload(decisions, "models.json")
    folder = local_bundle(address)
    registry = BundleRegistry(folder)
    assert registry.current().version == "a"
    assert {one.version: one.rejected for one in registry.list()} == {"a": "", "b": ""}
    decisions.write_text(json.dumps({"pinned": None, "rejected": {"c": "worse"}}))
    ObjectStore.of(address).upload(decisions, "models.json")
    assert BundleRegistry(local_bundle(address)).current().version == "b"
    decisions.write_text('{"pinned": 7}')
    ObjectStore.of(address).upload(decisions, "models.json")
    with pytest.raises(BundleError, match=r"models\.json is damaged"):
        local_bundle(address)


def test_old_bundles_are_removed(bucket: str, tmp_path: Path) -> None:
    address = f"{bucket}/models"
    for number, version in enumerate("abcd"):
        publish_bundle(make(tmp_path, version, number), f"{address}/")
    decisions = tmp_path / "models.json"
    decisions.write_text(json.dumps({"pinned": "a"}))
    ObjectStore.of(address).upload(decisions, "models.json")
    removed = BundleMirror(address).prune(2)
    assert [name.rpartition("-")[2] for name in removed] == ["b"], "the pinned one stays"
    versions = {name.split("/")[0].rpartition("-")[2] for name in names(address) if "/" in name}
    assert versions == {"a", "c", "d"}


def test_something_else_is_left_as_it_is(bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_text("x")
    ObjectStore.of(f"{bucket}/photos").upload(file, "photo.jpg")
    with pytest.raises(BundleError, match="exists and is no bundle"):
        publish_bundle(make(tmp_path, "a", 1), f"{bucket}/photos")
    assert names(f"{bucket}/photos") == ["photo.jpg"]


def test_a_child_process_copies_follows_and_reports(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORTLIST_FOLLOW_SECONDS", "0.2")
    publish_bundle(make(tmp_path, "a", 1), f"{bucket}/model")
    with followed(f"{bucket}/model") as copy:
        assert read_manifest(copy)["model_version"] == "a"
        publish_bundle(make(tmp_path, "b", 2), f"{bucket}/model")

        def version() -> str:
            """The version of the copy, empty while it is being replaced."""
            try:
                return str(read_manifest(copy)["model_version"])
            except BundleError:
                return ""

        wait_for(lambda: version() == "b", "the newer bundle")
    with pytest.raises(BundleError, match="holds no bundle") as found, followed(f"{bucket}/nothing"):
        pass
    assert found.value.field == "bundle"
    monkeypatch.setenv("SHORTLIST_FOLLOW_SECONDS", "soon")
    with pytest.raises(ShortlistError, match="must be a number above 0"), followed(f"{bucket}/model"):
        pass
