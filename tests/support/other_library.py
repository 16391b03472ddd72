"""Folders in which another Python finds another version of this library, or none of some module."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import shortlist

SOURCE = Path(shortlist.__file__).parent
MISSING = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
"""Is executed when Python starts."""


def other_library(folder: Path, file: str, text: str, changed: str | None) -> Path:
    """Return a folder with this library, of which one file has another text, or is missing (None)."""
    target = folder / SOURCE.name
    _linked(SOURCE, target, Path(file))
    if changed is not None:
        content = (SOURCE / file).read_text(encoding="utf-8")
        assert text in content
        (target / file).write_text(content.replace(text, changed), encoding="utf-8")
    return folder


def _linked(source: Path, target: Path, but: Path) -> None:
    """Make a folder of links to the entries of another one, without one file."""
    target.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.name == but.parts[0]:
            if len(but.parts) > 1:
                _linked(entry, target / entry.name, but.relative_to(entry.name))
        elif entry.name != "__pycache__":
            (target / entry.name).symlink_to(entry)


def without_module(folder: Path, module: str) -> Path:
    """Return a folder whose Python finds no module of a name."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(MISSING.format(module=module), encoding="utf-8")
    return folder


def other_python() -> Path:
    """Return a Python of another minor version, or skip the test where there is none."""
    own = sys.version_info[:2]
    names = [f"python3.{minor}" for minor in range(10, 16) if (3, minor) != own]
    installed = [Path(found) for name in names if (found := shutil.which(name))]
    pyenv = Path.home() / ".pyenv" / "versions"
    installed += [
        one / "bin" / "python"
        for one in sorted(pyenv.glob("3.1[0-9].*"))
        if one.name.split(".")[1] != str(own[1])
    ]
    if not installed:
        pytest.skip("there is one version of Python only")
    return installed[-1]
