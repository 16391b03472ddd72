"""The folder a trained recommender is on disk: data, never code.

Arrow, npy, JSON and XGBoost's own format, with a manifest that names the format's version and every file's SHA-256.
Loading checks the manifest first: a truncated, altered, foreign or unsafe bundle is refused with a `BundleError`, and
nothing in it can run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from shortlist.config.project import Project, parse_project
from shortlist.errors import BundleError

FORMAT = 6
READERS = 4
"""Files that are held against their checksums at once."""


def write_bundle(folder: Path, fill: Callable[[Path], None], facts: dict[str, Any]) -> None:
    """Let `fill` write into a new folder beside the target, then put it in place at once: a reader never sees half."""
    if folder.exists() and not (folder / "manifest.json").exists() and any(folder.iterdir()):
        raise BundleError(f"{folder} exists and is no bundle; it is left as it is; choose another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.parent / f".{folder.name}-{uuid.uuid4().hex[:8]}"
    fresh.mkdir()
    try:
        fill(fresh)
        files = {str(f.relative_to(fresh)): _digest(f) for f in sorted(fresh.rglob("*")) if f.is_file()}
        (fresh / "manifest.json").write_text(
            json.dumps({"format": FORMAT, **facts, "files": files}, indent=2), encoding="utf-8"
        )
        if folder.exists():
            shutil.rmtree(folder)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def read_manifest(folder: Path, thorough: bool = True) -> dict[str, Any]:
    """The manifest, after every file was checked against it. thorough: by its checksum; else by its name alone.
    Raises `BundleError`.
    """
    path = folder / "manifest.json"
    if not path.exists():
        raise BundleError(f"{folder} is no bundle: it has no manifest.json; `shortlist train` makes one")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files = dict(manifest["files"])
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise BundleError(f"{path} is damaged: {error}") from None
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"{folder} is a bundle of format {manifest.get('format')!r} and this version of Shortlist reads format {FORMAT}; "
            "train it again with `shortlist train`"
        )
    root = folder.resolve()
    found: dict[str, Path] = {}
    for name in files:
        try:
            file = (folder / name).resolve()
            there = file.is_file()
        except (OSError, ValueError):  # a name that no file can have
            raise BundleError(f"{path} names a file that cannot be: {name[:80]!r}") from None
        if not file.is_relative_to(root):
            raise BundleError(f"{path} names a file outside of the bundle: {name!r}")
        if not there:
            raise BundleError(f"{folder}: {name} is missing; the bundle is incomplete")
        found[name] = file
    if thorough:
        with ThreadPoolExecutor(READERS) as pool:  # hashing leaves the interpreter to others
            for name, digest in zip(found, pool.map(_digest, found.values()), strict=True):
                if digest != files[name]:
                    raise BundleError(
                        f"{folder}: {name} is not the file that was saved (its checksum differs); copy the bundle again"
                    )
    return manifest


def read_bundled_project(folder: Path) -> Project:
    """The project that a bundle was trained with. Check the manifest first."""
    path = folder / "project.json"
    return parse_project(json.loads(path.read_text(encoding="utf-8")), str(path))


def _digest(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
