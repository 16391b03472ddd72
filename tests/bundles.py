"""Bundles as tests need them: copied under another version, altered, broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from shortlist.bundle.format import _digest


def copied(
    bundle: Path, to: Path, version: str, made: int, edit: Callable[[Path], None] | None = None
) -> Path:
    """A bundle like another, of its own version, with checksums that fit whatever was edited."""
    fresh = to.with_name(f".{to.name}")
    shutil.copytree(bundle, fresh)
    if edit is not None:
        edit(fresh)
    path = fresh / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest |= {"model_version": version, "made": made}
    manifest["files"] = {name: _digest(fresh / name) for name in manifest["files"]}
    path.write_text(json.dumps(manifest))
    fresh.rename(to)
    return to
