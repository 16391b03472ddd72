"""The format of a bundle: a folder of data, never code.

Arrow, npy and JSON files, with a manifest that names the version of the format and the SHA-256 of every file. Reading
checks the manifest first: a truncated, altered, foreign or unsafe bundle is refused with a `BundleError`, and nothing
in it can run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from shortlist.bundle.atomic import replace_folder
from shortlist.config.project import Project, parse_project
from shortlist.errors import BundleError

FORMAT = 7
READERS = 4
"""Number of files whose checksums are verified at the same time."""


def write_folder(folder: Path, fill: Callable[[Path], None], facts: dict[str, Any]) -> None:
    """Write a bundle: `fill` writes its files into a new folder beside the target, which then takes its place.

    A reader sees the earlier bundle or the new one, never a half. Raises `BundleError` where the target exists and is
    not a bundle.
    """
    refuse_others(folder)

    def fill_whole(fresh: Path) -> None:
        fill(fresh)
        files = {str(f.relative_to(fresh)): file_digest(f) for f in sorted(fresh.rglob("*")) if f.is_file()}
        (fresh / "manifest.json").write_text(
            json.dumps({"format": FORMAT, **facts, "files": files}, indent=2), encoding="utf-8"
        )

    replace_folder(folder, fill_whole)


def refuse_others(folder: Path) -> None:
    """Raise `BundleError` where a path is taken by something that is no bundle."""
    if not folder.exists() or (folder / "manifest.json").exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise BundleError(f"{folder} exists and is no bundle; it is left as it is; choose another folder")


def read_manifest(folder: Path, thorough: bool = True) -> dict[str, Any]:
    """Read the manifest and verify every file that it names.

    `thorough` verifies checksums; otherwise only that the files exist. Raises `BundleError`.
    """
    path = folder / "manifest.json"
    if not path.exists():
        raise BundleError(f"{folder} is no bundle: it has no manifest.json; `shortlist train` makes one")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
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
        except (OSError, ValueError):  # not a valid file name
            raise BundleError(f"{path} names a file that cannot be: {name[:80]!r}") from None
        if not file.is_relative_to(root):
            raise BundleError(f"{path} names a file outside of the bundle: {name!r}")
        if not there:
            raise BundleError(f"{folder}: {name} is missing; the bundle is incomplete")
        found[name] = file
    if thorough:
        with ThreadPoolExecutor(READERS) as pool:  # hashing releases the interpreter lock
            for name, digest in zip(found, pool.map(file_digest, found.values()), strict=True):
                if digest != files[name]:
                    raise BundleError(
                        f"{folder}: {name} is not the file that was saved (its checksum differs); copy the bundle again"
                    )
    return manifest


def read_bundled_project(folder: Path) -> Project:
    """Read the project that a bundle was trained with. Verify the manifest first."""
    path = folder / "project.json"
    return parse_project(json.loads(path.read_text(encoding="utf-8")), str(path))


def file_digest(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
