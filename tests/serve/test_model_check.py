"""The check of a new model before it serves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from shortlist.recommender import Recommender
from shortlist.serve.model_check import faults_of
from support.bundles import copy_bundle


def test_model_check_finds_faults(bundle: Path, tmp_path: Path, recommender: Recommender) -> None:
    assert faults_of(Recommender.load(bundle), recommender) == []

    def edit(folder: Path) -> None:
        path = folder / "ranker" / "ranker.json"
        meta = json.loads(path.read_text())
        for name, calibration in meta["calibration"].items():
            if name == "seconds":
                calibration["slope"] *= 50
        path.write_text(json.dumps(meta))

    wild = Recommender.load(copy_bundle(bundle, tmp_path / "wild", "wild", 1, edit))
    found = faults_of(wild, recommender)
    assert len(found) == 1
    assert "mean seconds" in found[0]
    flat = Recommender.load(bundle)
    monotone = flat.model.ranker.predict
    flat.model.ranker.predict = lambda matrix: np.full_like(monotone(matrix), np.nan)  # type: ignore[method-assign, assignment]
    assert any("not finite" in fault for fault in faults_of(flat, recommender))
