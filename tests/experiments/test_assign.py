"""Assignment of users to arms: stable, independent, and without analysis libraries, because serving imports it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from shortlist.config.project import Project, parse_project
from shortlist.errors import ProjectError
from shortlist.experiments.assign import assign_arm
from shortlist.simulate.world import World
from support.experiments import ARMS, experiment


def test_arms_are_stable_and_fit_their_shares() -> None:
    e = experiment(arms={"a": {"share": 3}, "b": {"share": 1}})
    arms = [assign_arm("x", e, f"u{n}") for n in range(20_000)]
    assert arms == [assign_arm("x", e, f"u{n}") for n in range(20_000)]
    assert np.mean([a == "b" for a in arms]) == pytest.approx(0.25, abs=0.01)
    assert assign_arm("x", e, 17) == assign_arm("x", e, "17")
    moved = experiment(arms={"a": {"share": 3}, "b": {"share": 1}}, salt="again")
    assert np.mean([assign_arm("x", moved, f"u{n}") != a for n, a in enumerate(arms)]) > 0.2


def test_two_experiments_are_independent() -> None:
    e = experiment()
    table = np.zeros((2, 2))
    for n in range(8_000):
        first, second = (int(assign_arm(name, e, n) == "varied") for name in ("one", "two"))
        table[first, second] += 1
    np.testing.assert_allclose(table / 8_000, 0.25, atol=0.02)


def test_experiments_are_checked_with_the_project(world: World) -> None:
    def project(**e: Any) -> Project:
        return parse_project({**world.settings, "experiments": {"x": {"metric": "play", "arms": ARMS, **e}}})

    assert list(project().experiments["x"].arms) == ["now", "varied"]
    for bad, said in (
        ({"metric": "sleep"}, "sleep"),
        ({"arms": {"now": {}}}, "at least 2 entries"),
        ({"arms": {"now": {}, "b": {"weights": {"sleep": 1}}}}, "sleep"),
        ({"guard_rails": ["sleep"]}, "sleep"),
    ):
        with pytest.raises(ProjectError, match=said):
            project(**bad)


def test_importing_assign_loads_no_heavy_library() -> None:
    code = (
        "import sys, shortlist.experiments.assign\n"
        "print([name for name in ('scipy', 'pandas', 'duckdb', 'numba', 'xgboost') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
