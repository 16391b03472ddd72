"""The dry run of `make benchmark-gpu`: each step but the card itself, on a generated log."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from support.paths import ROOT


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The script, whose results go to a temporary folder."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr(importlib.import_module("results"), "PATH", tmp_path / "RESULTS.md")
    return importlib.import_module("gpu")


def test_the_dry_run_trains_and_judges_and_writes_nothing(gpu: Any, tmp_path: Path) -> None:
    lines = gpu.main(["--dry-run", "--epochs", "3"])
    header, row = ([cell.strip() for cell in lines[at].strip("|").split("|")] for at in (-3, -1))
    found = dict(zip(header, row, strict=True))
    assert found["device"].startswith("CPU")
    assert found["precision"] == "float32"
    assert float(found["events/s"].replace(",", "")) == pytest.approx(
        2280 / float(found["seconds an epoch"]), rel=0.2
    )
    assert float(found["TFLOP/s"]) > 0
    hit_rate, ndcg = map(float, found["HR@10 / NDCG@10"].split("/"))
    low, high = map(float, found["NDCG, 95 %"].split("–"))
    assert hit_rate > 2 * 10 / 40  # ten of forty items, drawn at random
    assert low < ndcg < high
    assert not (tmp_path / "RESULTS.md").exists()


def test_a_row_by_hand(gpu: Any) -> None:
    """10,000 events and 98.9 · 10¹² operations in half a second: a fifth of the card's peak."""
    run = gpu.Run(
        "NVIDIA H100 80GB HBM3", "bfloat16", 0.5, 10_000, 98.9e12, 2_500_000_000, "0.5 / 0.3", "0.2–0.4"
    )
    assert run.row() == (
        "| NVIDIA H100 80GB HBM3 | bfloat16 | 0.50 | 20,000 | 198 | 20.00% | 2.50 GB | 0.5 / 0.3 | 0.2–0.4 |"
    )
    assert gpu.peak_of("some other card") is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_card_it_says_what_can_be_tried(gpu: Any) -> None:
    with pytest.raises(SystemExit, match="--dry-run"):
        gpu.main([])
