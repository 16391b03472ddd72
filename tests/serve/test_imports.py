"""`shortlist serve` starts without the modules that only training and evaluation need."""

from __future__ import annotations

import subprocess
import sys

import pytest

NOT_WHILE_SERVING = [
    "shortlist.evaluate",
    "shortlist.simulate",
    "shortlist.tuning",
    "shortlist.distributed",
    "shortlist.cascade.train",
    "shortlist.data.guess.project",
    "shortlist.data.guess.draft",
    "shortlist.rank.training_set",
    "shortlist.rank.gbdt.train",
    "shortlist.rank.multitask.train",
    "shortlist.deep.loop",
    "shortlist.retrieve.deep.train",
    "shortlist.retrieve.deep.train_towers",
    "shortlist.retrieve.deep.network",
    "shortlist.experiments.analyse",
    "shortlist.experiments.report",
    "optuna",
    "pandas",
    "sklearn",
    "torch",
    "xgboost",
]


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """All modules that the server's application and command load."""
    code = "import sys, shortlist.serve.app, shortlist.cli.serve; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", NOT_WHILE_SERVING)
def test_serving_does_not_import(loaded: set[str], module: str) -> None:
    assert "shortlist.serve.app" in loaded
    assert not {name for name in loaded if name == module or name.startswith(f"{module}.")}
