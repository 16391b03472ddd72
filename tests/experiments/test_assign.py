"""Assignment needs no analysis library: serving imports it."""

from __future__ import annotations

import subprocess
import sys


def test_importing_assign_loads_no_heavy_library() -> None:
    code = (
        "import sys, shortlist.experiments.assign\n"
        "print([name for name in ('scipy', 'pandas', 'duckdb', 'numba', 'xgboost') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
