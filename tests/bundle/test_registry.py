"""Versions of a model in a folder: promote, roll back, reject, canary."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.bundle.registry import BundleRegistry, check_place
from shortlist.errors import BundleError
from support.bundles import copy_bundle


def test_versions_in_a_folder(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    models = BundleRegistry(folder)
    with pytest.raises(BundleError, match="no bundle that may serve"):
        models.current()
    for number in (1, 2, 3):
        copy_bundle(bundle, folder / f"b{number}", f"v{number}", 1_000 * number)
    assert models.current().version == "v3"
    models.record_serving("v3")
    assert models.promote("v1").version == models.current().version == "v1"
    models.record_serving("v1")
    assert models.rollback().version == "v3"
    assert {m.version: m.rejected != "" for m in models.list()} == {"v1": True, "v2": False, "v3": False}
    models.release()
    models.reject("v3", "worse")
    assert models.current().version == "v2"
    models.set_canary("v3", 0.2)
    models.set_shadow("v2")
    assert models.decisions()["canary"] == {"version": "v3", "share": 0.2}
    with pytest.raises(BundleError, match="v9"):
        models.promote("v9")
    with pytest.raises(BundleError, match="is one bundle"):
        BundleRegistry(bundle).set_shadow(None)
    (folder / "models.json").write_text("{")
    with pytest.raises(BundleError, match="is damaged"):
        models.current()


def test_a_place_for_a_bundle_is_checked_before_training(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_place(bundle)  # is replaced
    check_place(tmp_path)  # becomes a folder of bundles
    check_place(tmp_path / "new" / "bundle")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="exists and is no bundle"):
        check_place(tmp_path / "notes.txt")
    with pytest.raises(BundleError, match="exists and is no bundle"):
        check_place(tmp_path)
    with pytest.raises(BundleError, match=r"nothing can be written to .*notes.txt: it is a file"):
        check_place(tmp_path / "notes.txt" / "bundle")
    monkeypatch.setattr("os.access", lambda _path, _mode: False)  # root may write everywhere
    with pytest.raises(BundleError, match=r"this process may not write there; choose another place"):
        check_place(tmp_path / "new" / "bundle")
