"""The lock file of the image: every dependency is in it, within the bounds of pyproject.toml, with hashes."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMAGE = ("postgres", "index", "tracing")
VULNERABLE = {"starlette": "0.49.0", "jinja2": "3.1.5", "duckdb": "1.4.1"}
"""Versions with known vulnerabilities: CVE-2025-62727, CVE-2025-27516, CVE-2025-64429."""


def locked() -> dict[str, tuple[Version, list[str]]]:
    """Return name → version and hashes of each package of the lock file."""
    text = (ROOT / "deploy" / "requirements.lock").read_text().replace("\\\n", " ")
    found: dict[str, tuple[Version, list[str]]] = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, version = re.match(r"([\w.-]+)==(\S+)", line).groups()  # type: ignore[union-attr]
            found[canonicalize_name(name)] = (
                Version(version),
                re.findall(r"--hash=sha256:([0-9a-f]{64})", line),
            )
    return found


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for extra in IMAGE for line in extras[extra])]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda r: r.name)
def test_a_dependency_is_locked(requirement: Requirement) -> None:
    version, hashes = locked()[canonicalize_name(requirement.name)]
    assert version in requirement.specifier, "run: make lock"
    assert hashes


def test_every_package_has_hashes_and_no_address() -> None:
    assert all(hashes for _, hashes in locked().values())
    assert "://" not in (ROOT / "deploy" / "requirements.lock").read_text()


@pytest.mark.parametrize("name", VULNERABLE)
def test_vulnerable_versions_are_not_allowed(name: str) -> None:
    bounds = [r.specifier for r in requirements() if canonicalize_name(r.name) == name]
    assert bounds
    assert not any(Version(VULNERABLE[name]) in bound for bound in bounds)
