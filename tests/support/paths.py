"""Folders that tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PUBLIC_DATA = ROOT.parent / "shared" / "data"
MOVIELENS = PUBLIC_DATA / "movielens-100k"
