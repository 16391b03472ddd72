"""Mapped arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shortlist.data.mapped import load_array, release_pages


def test_pages_that_were_let_go_come_again(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(100_000))
    array = load_array(tmp_path / "a.npy")
    assert array.sum() == 4_999_950_000
    release_pages(array)
    assert array.sum() == 4_999_950_000
    release_pages(np.arange(3))  # not mapped: nothing happens
