"""A folder of bundles: which one serves, and which did before.

    models/
      2026-11-25-a1b2c3/     a bundle, as `shortlist train --out models/` names it
      models.json            what an operator, the gate or a failed check decided

A server follows the newest bundle that was not turned down, unless one is pinned. `promote` pins one; `rollback` pins the one that
served before; `release` follows the newest again. A canary answers a share of the people; a shadow answers nobody and is compared.
Everything is files, written beside and put in place at once: several servers may follow one folder.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.errors import BundleError

FILE = "models.json"


@dataclass(frozen=True)
class Model:
    """One bundle of the folder. `made`: when it was trained, ms. `rejected`: why it does not serve; empty where nothing is
    against it.
    """

    version: str
    path: Path
    made: int
    rejected: str = ""


class Models:
    """Raises `BundleError` where the folder holds neither a bundle nor is one."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.single = (self.folder / "manifest.json").exists()
        """Whether the folder is one bundle itself; it is then followed when it is replaced."""

    def list(self) -> list[Model]:
        """All bundles, oldest first."""
        rejected = self.state()["rejected"]
        paths = [self.folder] if self.single else bundles_in(self.folder)
        found = []
        for path in paths:
            try:
                manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
                version = str(manifest["model_version"])
                made = int(manifest.get("made", (path / "manifest.json").stat().st_mtime * 1000))
            except (OSError, ValueError, KeyError, TypeError):
                continue  # a bundle that is being removed, or is none: `current` says so where nothing else is there
            found.append(Model(version, path, made, rejected.get(version, "")))
        return sorted(found, key=lambda m: (m.made, m.version))

    def find(self, version: str) -> Model:
        for model in self.list():
            if model.version == version or model.path.name == version:
                return model
        there = ", ".join(m.version for m in self.list()) or "none"
        raise BundleError(f"{self.folder} has no model {version!r}; there are: {there}", field="version")

    def current(self) -> Model:
        """The one that should serve."""
        state, models = self.state(), self.list()
        for model in models:
            if model.version == state["pinned"]:
                return model
        aside = {state["canary"].get("version"), state["shadow"]}
        fit = [m for m in models if not m.rejected and m.version not in aside]
        if not fit:
            why = "; ".join(f"{m.version}: {m.rejected}" for m in models if m.rejected)
            raise BundleError(
                f"{self.folder} holds no bundle that may serve{f' ({why})' if why else ''}; `shortlist train --out "
                f"{self.folder}` makes one",
                field="bundle",
            )
        return fit[-1]

    # ---------------------------------------------------------------- what was decided

    def state(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"pinned": None, "rejected": {}, "canary": {}, "shadow": None, "served": []}
        try:
            return {**empty, **json.loads((self.folder / FILE).read_text(encoding="utf-8"))}
        except FileNotFoundError:
            return empty
        except (OSError, ValueError) as error:
            raise BundleError(f"{self.folder / FILE} cannot be read: {error}") from None

    def _change(self, **what: Any) -> None:
        if self.single:
            raise BundleError(
                f"{self.folder} is one bundle; put it into a folder of bundles (`shortlist train --out models/`) to have "
                "versions of it",
                field="bundle",
            )
        fresh = self.folder / f".{FILE}-{uuid.uuid4().hex[:8]}"
        fresh.write_text(json.dumps({**self.state(), **what}, indent=2), encoding="utf-8")
        os.replace(fresh, self.folder / FILE)

    def promote(self, version: str) -> Model:
        """Pin a model: it serves until another is promoted or the pin is released. What was against it is forgotten."""
        model, state = self.find(version), self.state()
        rejected = {v: why for v, why in state["rejected"].items() if v != model.version}
        canary = {} if state["canary"].get("version") == model.version else state["canary"]
        shadow = None if state["shadow"] == model.version else state["shadow"]
        self._change(pinned=model.version, rejected=rejected, canary=canary, shadow=shadow)
        return model

    def rollback(self) -> Model:
        """Pin the model that served before the present one, and turn that one down."""
        now, served = self.current(), self.state()["served"]
        earlier = [v for v in served if v != now.version and any(m.version == v for m in self.list())]
        if not earlier:
            raise BundleError(
                f"no model served before {now.version} here, so there is none to go back to", field="version"
            )
        self.reject(now.version, "rolled back by an operator")
        return self.promote(earlier[-1])

    def release(self) -> None:
        """Follow the newest again."""
        self._change(pinned=None)

    def reject(self, version: str, why: str) -> None:
        """A model that must not serve, with the reason."""
        self._change(rejected={**self.state()["rejected"], version: why})

    def try_on(self, version: str, share: float) -> Model:
        """A canary: answers a share of the people (0 to 1; 0 ends it)."""
        if not 0 <= share <= 1:
            raise BundleError(f"a share is from 0 to 1 and is {share:g}", field="share")
        model = self.find(version)
        self._change(canary={"version": model.version, "share": share} if share else {})
        return model

    def shadow(self, version: str | None) -> None:
        """A shadow: is asked what it would answer, and only compared."""
        self._change(shadow=None if version is None else self.find(version).version)

    def prune(self, keep: int) -> tuple[Model, ...]:
        """Remove all but the newest `keep` bundles; those that serve, are pinned, tried on, or served last before the present
        one, to which `rollback` goes, stay. The removed ones.
        """
        state, models = self.state(), self.list()
        now = self.current().version
        before = [v for v in state["served"] if v != now][-1:]
        held = {now, state["pinned"], state["shadow"], state["canary"].get("version"), *before}
        old = () if self.single else models[: max(len(models) - keep, 0)]
        gone = tuple(m for m in old if m.version not in held)
        for model in gone:
            shutil.rmtree(model.path)
        return gone

    def serves(self, version: str) -> None:
        """Remember that a model took over."""
        served = self.state()["served"]
        if not self.single and (not served or served[-1] != version):
            self._change(served=[*served[-49:], version])


def bundles_in(folder: Path) -> list[Path]:
    """The bundles of a folder; one that is being written has a name that begins with a dot."""
    return sorted(path.parent for path in folder.glob("[!.]*/manifest.json"))


def new_path(given: str | Path, version: str) -> Path:
    """Where a trained bundle goes: under a name of its own where a folder of bundles is given (it ends with a slash, is empty, or
    holds bundles); else just there.
    """
    out = Path(given)
    holds = out.is_dir() and not (out / "manifest.json").exists()
    bundles = holds and (bundles_in(out) or (out / FILE).exists() or not any(out.iterdir()))
    if str(given).endswith("/") or bundles:
        return out / f"{time.strftime('%Y-%m-%d-%H%M%S', time.gmtime())}-{version}"
    return out
