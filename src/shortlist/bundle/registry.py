"""A folder of bundles: which one serves, and which did before.

    models/
      2026-11-25-a1b2c3/     a bundle, as `shortlist train --out models/` names it
      models.json            decisions of an operator, the gate or a failed check

A server follows the newest bundle that is not rejected, unless one is pinned. `promote` pins one; `rollback` pins the
one that served before; `release` follows the newest again. A canary answers a share of the users; a shadow is asked
beside the serving model and only compared. Everything is files, written aside and renamed into place, so several
servers can follow one folder.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from filelock import FileLock, Timeout
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from shortlist.bundle.atomic import replace_file
from shortlist.bundle.format import refuse_others
from shortlist.errors import BundleError

FILE = "models.json"
KEPT = 50
"""Number of models that served before which `models.json` remembers."""
LOCK = ".models.lock"
LOCK_SECONDS = 10
"""Seconds for which a change of the decisions waits for another one."""


class Canary(TypedDict, total=False):
    """A bundle that answers a share of the users."""

    version: str
    share: Annotated[float, Field(ge=0, le=1)]


class Decisions(TypedDict, total=False):
    """What `models.json` holds."""

    pinned: str | None
    rejected: dict[str, str]
    canary: Canary
    shadow: str | None
    served: list[str]


DECISIONS = TypeAdapter(Decisions)


@dataclass(frozen=True)
class BundleVersion:
    """One bundle of a folder.

    `made` is when it was trained, milliseconds since 1970; `rejected` says why it does not serve, and is empty where
    it may.
    """

    version: str
    path: Path
    made: int
    rejected: str = ""


class BundleRegistry:
    """The bundles of a folder and the decisions about them.

    Parameters
    ----------
    folder
        A folder of bundles, or one bundle, which is then followed when it is replaced.

    Attributes
    ----------
    single
        Whether the folder is one bundle itself; it then has no versions to choose from.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.single = (self.folder / "manifest.json").exists()
        self._lock = FileLock(self.folder / LOCK, timeout=LOCK_SECONDS)

    def list(self) -> list[BundleVersion]:
        """All bundles, oldest first; a folder that is no bundle is left out."""
        rejected = self.decisions()["rejected"]
        paths = [self.folder] if self.single else bundles_in(self.folder)
        found = []
        for path in paths:
            try:
                manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
                version = str(manifest["model_version"])
                made = int(manifest.get("made", (path / "manifest.json").stat().st_mtime * 1000))
            except (OSError, ValueError, KeyError, TypeError):
                continue  # being removed, or damaged; `current` reports it where no other bundle is left
            found.append(BundleVersion(version, path, made, rejected.get(version, "")))
        return sorted(found, key=lambda m: (m.made, m.version))

    def find(self, version: str) -> BundleVersion:
        """The bundle of a version or folder name. Raises `BundleError` where there is none."""
        for bundle in self.list():
            if version in {bundle.version, bundle.path.name}:
                return bundle
        there = ", ".join(m.version for m in self.list()) or "none"
        raise BundleError(f"{self.folder} has no model {version!r}; there are: {there}", field="version")

    def current(self) -> BundleVersion:
        """The bundle that should serve. Raises `BundleError` where there is none."""
        decisions, bundles = self.decisions(), self.list()
        for bundle in bundles:
            if bundle.version == decisions["pinned"]:
                return bundle
        aside = {decisions["canary"].get("version"), decisions["shadow"]}
        fit = [m for m in bundles if not m.rejected and m.version not in aside]
        if not fit:
            why = "; ".join(f"{m.version}: {m.rejected}" for m in bundles if m.rejected)
            raise BundleError(
                f"{self.folder} holds no bundle that may serve{f' ({why})' if why else ''}; "
                f"`shortlist train --out {self.folder}` makes one",
                field="bundle",
            )
        return fit[-1]

    # ---------------------------------------------------------------- decisions

    def decisions(self) -> dict[str, Any]:
        """The decisions: `pinned`, `rejected` (version → reason), `canary`, `shadow`, and `served`, oldest first."""
        empty: dict[str, Any] = {"pinned": None, "rejected": {}, "canary": {}, "shadow": None, "served": []}
        path = self.folder / FILE
        try:
            return {**empty, **DECISIONS.validate_json(path.read_bytes())}
        except FileNotFoundError:
            return empty
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise BundleError(
                f"{path} is damaged: {f'{place}: ' if place else ''}{first['msg']}; correct it, or remove it to follow the "
                "newest bundle",
                field=place or None,
            ) from None
        except (OSError, ValueError) as error:
            raise BundleError(f"{path} cannot be read: {error}") from None

    @contextmanager
    def _deciding(self) -> Iterator[None]:
        """Hold the decisions while they are read and changed: servers and commands change them at the same time."""
        if self.single:
            yield
            return
        try:
            with self._lock:
                yield
        except Timeout:
            raise BundleError(
                f"{self.folder / LOCK} is held by another process for more than {LOCK_SECONDS} seconds"
            ) from None

    def _decide(self, **changes: Any) -> None:
        if self.single:
            raise BundleError(
                f"{self.folder} is one bundle; put it into a folder of bundles (`shortlist train --out models/`) to "
                "have versions of it",
                field="bundle",
            )
        with self._deciding():
            replace_file(self.folder / FILE, json.dumps({**self.decisions(), **changes}, indent=2))

    def promote(self, version: str) -> BundleVersion:
        """Pin a bundle: it serves until another is promoted or the pin is released. An earlier rejection is removed."""
        with self._deciding():
            bundle, decisions = self.find(version), self.decisions()
            rejected = {v: why for v, why in decisions["rejected"].items() if v != bundle.version}
            canary = {} if decisions["canary"].get("version") == bundle.version else decisions["canary"]
            shadow = None if decisions["shadow"] == bundle.version else decisions["shadow"]
            self._decide(pinned=bundle.version, rejected=rejected, canary=canary, shadow=shadow)
        return bundle

    def rollback(self) -> BundleVersion:
        """Pin the bundle that served before the present one, and reject the present one."""
        with self._deciding():
            now, served = self.current(), self.decisions()["served"]
            earlier = [v for v in served if v != now.version and any(m.version == v for m in self.list())]
            if not earlier:
                raise BundleError(
                    f"no model served before {now.version} here, so there is none to go back to",
                    field="version",
                )
            self.reject(now.version, "rolled back by an operator")
            return self.promote(earlier[-1])

    def release(self) -> None:
        """Follow the newest bundle again."""
        self._decide(pinned=None)

    def reject(self, version: str, why: str) -> None:
        """Keep a bundle from serving, with the reason."""
        with self._deciding():
            self._decide(rejected={**self.decisions()["rejected"], version: why})

    def set_canary(self, version: str, share: float) -> BundleVersion:
        """Let a bundle answer a share of the users, 0 to 1; 0 ends it."""
        if not 0 <= share <= 1:
            raise BundleError(f"share must be a number from 0 to 1 and is {share:g}", field="share")
        bundle = self.find(version)
        self._decide(canary={"version": bundle.version, "share": share} if share else {})
        return bundle

    def set_shadow(self, version: str | None) -> None:
        """Compare a bundle's answers with those of the serving one; None ends it."""
        self._decide(shadow=None if version is None else self.find(version).version)

    def prune(self, keep: int) -> tuple[BundleVersion, ...]:
        """Remove all but the newest `keep` bundles, and return the removed ones.

        The bundle that serves, a pinned one, canary and shadow stay, and so does the one that `rollback` would pin.
        """
        decisions, bundles = self.decisions(), self.list()
        now = self.current().version
        before = [v for v in decisions["served"] if v != now][-1:]
        held = {now, decisions["pinned"], decisions["shadow"], decisions["canary"].get("version"), *before}
        old = () if self.single else bundles[: max(len(bundles) - keep, 0)]
        removed = tuple(m for m in old if m.version not in held)
        for bundle in removed:
            shutil.rmtree(bundle.path)
        return removed

    def record_serving(self, version: str) -> None:
        """Remember that a bundle began to serve."""
        if self.single or self.decisions()["served"][-1:] == [version]:  # a folder may be read-only
            return
        with self._deciding():
            self._decide(served=[*self.decisions()["served"][1 - KEPT :], version])

    def __repr__(self) -> str:
        return f"BundleRegistry({str(self.folder)!r}, {len(self.list())} bundles)"


def bundles_in(folder: Path) -> list[Path]:
    """The bundles of a folder, by name; the name of one that is being written begins with a dot."""
    return sorted(path.parent for path in folder.glob("[!.]*/manifest.json"))


def new_path(given: str | Path, version: str) -> Path:
    """Where a trained bundle goes.

    A folder of bundles (its name ends with a slash, or it is empty, or holds bundles) gets a new folder inside, named
    by date and version; any other path is taken as it is.
    """
    out = Path(given)
    holds = out.is_dir() and not (out / "manifest.json").exists()
    bundles = holds and (bundles_in(out) or (out / FILE).exists() or not any(out.iterdir()))
    if str(given).endswith("/") or bundles:
        return out / dated_name(version)
    return out


def check_place(given: str | Path) -> None:
    """Raise `BundleError` where a bundle cannot be written to a path: said before hours of training, not after them."""
    out = new_path(given, "version").absolute()
    refuse_others(out)
    parent = next(folder for folder in out.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        reason = "this process may not write there" if parent.is_dir() else "it is a file"
        raise BundleError(f"{given}: nothing can be written to {parent}: {reason}; choose another place")


def dated_name(version: str) -> str:
    """Return the name of a new bundle in a folder of bundles: date, time and version."""
    return f"{time.strftime('%Y-%m-%d-%H%M%S', time.gmtime())}-{version}"
