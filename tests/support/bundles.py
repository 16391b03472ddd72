"""Copies of bundles: with another version, edited or damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from shortlist.bundle.format import file_digest


def copy_bundle(
    bundle: Path, to: Path, version: str, made: int, edit: Callable[[Path], None] | None = None
) -> Path:
    """Copy a bundle under another version, apply `edit` to the copy, and update the checksums.

    The copy appears under its final name when it is complete, as a trained bundle does.
    """
    temporary = to.with_name(f".{to.name}")
    shutil.copytree(bundle, temporary)
    if edit is not None:
        edit(temporary)
    path = temporary / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest |= {"model_version": version, "made": made}
    manifest["files"] = {name: file_digest(temporary / name) for name in manifest["files"]}
    path.write_text(json.dumps(manifest))
    temporary.rename(to)
    return to
