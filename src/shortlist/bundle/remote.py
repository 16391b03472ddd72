"""Bundles in an object store: published with the manifest last, and used from a local copy that is checked by its hashes.

    s3://bucket/models/
      2026-11-25-a1b2c3/manifest.json …   bundles, as in a folder on a disk
      models.json                         decisions: pinned, rejected, canary, shadow

An object store has no renaming in one step. A bundle therefore exists from the moment at which its manifest does: it is written
last, and it names the SHA-256 of every file. A reader copies the files that the manifest names into a folder of the cache, verifies
them, and gives the folder its name; a copy that broke off is never seen.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shortlist.bundle.atomic import replace_file, replace_folder
from shortlist.bundle.format import read_manifest
from shortlist.bundle.registry import DECISIONS, FILE, BundleRegistry, bundles_in, dated_name
from shortlist.engines.object_store import ObjectStore, StoredObject, is_object_store
from shortlist.errors import BundleError

CACHE_VARIABLE = "SHORTLIST_CACHE"
"""Environment variable with the folder of local copies (default: `shortlist` in the user's cache folder)."""
MANIFEST = "manifest.json"
KEPT = 3
"""Number of bundles of which local copies stay."""
SHARED = ("pinned", "rejected", "canary", "shadow")
"""Decisions that all servers of an address share; which models served before is known to each by itself."""


def cache_folder() -> Path:
    """Return the folder of local copies."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shortlist"


class BundleMirror:
    """A local copy of a bundle, or of the newest bundles of a folder, in an object store.

    Parameters
    ----------
    address
        Of a bundle or a folder of bundles, such as `s3://bucket/models/`.

    Attributes
    ----------
    folder
        The local copy.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.store = ObjectStore.of(self.address)
        name = hashlib.sha256(self.address.encode()).hexdigest()[:16]
        self.folder = cache_folder() / "bundles" / f"{self.store.path.rpartition('/')[2]}-{name}"

    # ---------------------------------------------------------------- reading

    def refresh(self) -> Path:
        """Copy what should serve and is not here yet, and the decisions about it; return the folder to serve from.

        Raises
        ------
        BundleError
            There is no bundle, or a file is not the one that its manifest names.
        DataError
            The store cannot be read.
        """
        objects = {self.store.name_of(one): one for one in self.store.objects()}
        self.folder.mkdir(parents=True, exist_ok=True)
        if MANIFEST in objects:
            self._copy(objects, "", self.folder / "bundle")
            return self.folder / "bundle"
        names = _bundles(objects)
        if not names:
            raise BundleError(
                f"{self.address} holds no bundle; `shortlist train --out {self.address}/` writes one",
                "bundle",
            )
        decisions = self._decisions(objects)
        self._take_over(decisions)
        for name in self._wanted(objects, names, decisions):
            self._copy(objects, f"{name}/", self.folder / name)
        if len(bundles_in(self.folder)) > KEPT:
            BundleRegistry(self.folder).prune(KEPT)
        return self.folder

    def _decisions(self, objects: dict[str, StoredObject]) -> dict[str, Any]:
        """Return the decisions beside the bundles of the store."""
        if FILE not in objects:
            return {}
        try:
            return dict(DECISIONS.validate_json(self._content(objects[FILE])))
        except ValueError as error:
            raise BundleError(f"{self.address}/{FILE} is damaged: {error}") from None

    def _take_over(self, decisions: dict[str, Any]) -> None:
        """Put the shared decisions into the local copy. A model that this machine rejected stays rejected here."""
        registry = BundleRegistry(self.folder)
        own = registry.decisions()
        merged = {**own, **{name: decisions[name] for name in SHARED if name in decisions}}
        released = decisions.get("pinned")
        rejected = {**own["rejected"], **decisions.get("rejected", {})}
        merged["rejected"] = {version: why for version, why in rejected.items() if version != released}
        if merged != own:
            replace_file(self.folder / FILE, json.dumps(merged, indent=2))

    def _wanted(
        self, objects: dict[str, StoredObject], names: list[str], decisions: dict[str, Any]
    ) -> list[str]:
        """Return the names of the bundles that serve: the newest that may, the pinned one, canary and shadow."""
        named = _named(decisions)
        rejected = BundleRegistry(self.folder).decisions()["rejected"]
        made = self._versions(objects, names)
        wanted = [name for name, (_, version) in made.items() if version in named]
        fit = [name for name, (_, version) in made.items() if version not in {*rejected, *named}]
        return [*wanted, *sorted(fit, key=lambda name: made[name])[-1:]]

    def _versions(self, objects: dict[str, StoredObject], names: list[str]) -> dict[str, tuple[int, str]]:
        """Return name → when it was made, ms since 1970, and its version; damaged bundles are left out."""
        made: dict[str, tuple[int, str]] = {}
        for name in names:
            try:
                manifest = json.loads(self._content(objects[f"{name}/{MANIFEST}"]))
                made[name] = (int(manifest.get("made", 0)), str(manifest["model_version"]))
            except (ValueError, KeyError, TypeError):
                continue  # another one may serve
        return made

    def _copy(self, objects: dict[str, StoredObject], prefix: str, to: Path) -> None:
        """Copy a bundle, verify it, and give it its name; nothing is done where this bundle is here already."""
        manifest = self._content(objects[prefix + MANIFEST])
        if (to / MANIFEST).exists() and (to / MANIFEST).read_bytes() == manifest:
            return

        def fill(fresh: Path) -> None:
            for name in self._files(manifest, prefix):
                if prefix + name not in objects:
                    raise BundleError(
                        f"{self.address}/{prefix}{name} is missing; the bundle is incomplete", "bundle"
                    )
                self.store.download(objects[prefix + name], fresh / name)
            (fresh / MANIFEST).write_bytes(manifest)
            try:
                read_manifest(fresh)
            except BundleError as error:
                place = f"{self.address}/{prefix}".rstrip("/")
                raise BundleError(error.message.replace(str(fresh), place), "bundle") from None

        replace_folder(to, fill)

    def _files(self, manifest: bytes, prefix: str) -> list[str]:
        """Return the names of a bundle's files. Raises `BundleError` for one outside of the bundle."""
        try:
            names = list(dict(json.loads(manifest)["files"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{self.address}/{prefix}{MANIFEST} is damaged: {error}") from None
        for name in names:
            if name.startswith("/") or ".." in name.split("/"):
                raise BundleError(
                    f"{self.address}/{prefix}{MANIFEST} names a file outside of the bundle: {name!r}"
                )
        return names

    def _content(self, found: StoredObject) -> bytes:
        with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
            copy = Path(folder) / "content"
            self.store.download(found, copy)
            return copy.read_bytes()

    # ---------------------------------------------------------------- writing

    def publish(self, bundle: Path, name: str = "") -> str:
        """Write a bundle of the disk under a name in this folder, or in its place; return its address.

        The manifest of an earlier bundle of that name is removed first, and the new one is written last.
        """
        prefix = f"{name}/" if name else ""
        before = {self.store.name_of(one) for one in self.store.objects()}
        before = {one for one in before if one.startswith(prefix)}
        if not name and before and MANIFEST not in before:
            raise BundleError(
                f"{self.address} exists and is no bundle; it is left as it is; choose another address, or end it with a slash for a "
                "folder of bundles",
                "out",
            )
        self.store.remove(prefix + MANIFEST)
        files = sorted(path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file())
        for file in files:
            if file != MANIFEST:
                self.store.upload(bundle / file, prefix + file)
        for stale in before - {prefix + file for file in files}:
            self.store.remove(stale)
        self.store.upload(bundle / MANIFEST, prefix + MANIFEST)
        return f"{self.address}/{name}" if name else self.address

    def publish_decisions(self) -> None:
        """Write the decisions of the local copy beside the bundles of the store."""
        if (self.folder / FILE).exists():
            self.store.upload(self.folder / FILE, FILE)

    def check_place(self) -> bool:
        """Return whether the address is a folder that holds bundles. Raises `DataError` where the store cannot be reached."""
        return bool(_bundles([self.store.name_of(one) for one in self.store.objects()]))

    def prune(self, keep: int) -> list[str]:
        """Delete all but the newest `keep` bundles of the store, and return their addresses; those that decisions name stay."""
        objects = {self.store.name_of(one): one for one in self.store.objects()}
        made = self._versions(objects, _bundles(objects))
        held = _named(self._decisions(objects))
        old = sorted(made, key=lambda name: made[name])[:-keep]
        removed = [name for name in old if made[name][1] not in held]
        for name in removed:
            self.remove(name)
        return [f"{self.address}/{name}" for name in removed]

    def remove(self, name: str) -> None:
        """Delete a bundle of this folder, its manifest first."""
        self.store.remove(f"{name}/{MANIFEST}")
        for one in self.store.objects():
            if self.store.name_of(one).startswith(f"{name}/"):
                self.store.remove(self.store.name_of(one))

    def __repr__(self) -> str:
        return f"BundleMirror({self.address!r})"


def _bundles(names: Iterable[str]) -> list[str]:
    """Return the names of the bundles of a folder."""
    ends = f"/{MANIFEST}"
    return [name.removesuffix(ends) for name in names if name.count("/") == 1 and name.endswith(ends)]


def _named(decisions: dict[str, Any]) -> set[str | None]:
    """Return the versions that decisions name: the pinned one, canary and shadow."""
    return {decisions.get("pinned"), decisions.get("shadow"), decisions.get("canary", {}).get("version")}


def local_bundle(bundle: str) -> Path:
    """Return the folder of a bundle or of bundles; one of an object store is copied first.

    Raises
    ------
    BundleError
        The address holds no bundle.
    """
    return BundleMirror(bundle).refresh() if is_object_store(bundle) else Path(bundle)


def publish_bundle(bundle: Path, out: str) -> str:
    """Write a bundle of the disk to an address; into a folder of its own there where it ends with a slash or holds bundles. Return where."""
    mirror = BundleMirror(out)
    inside = out.endswith("/") or mirror.check_place()
    version = str(read_manifest(bundle, thorough=False)["model_version"])
    return mirror.publish(bundle, dated_name(version) if inside else "")
