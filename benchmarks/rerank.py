"""Time of each re-ranker for 500 candidates and slates of 20 (`make benchmark-rerank`)."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import results
from shortlist.config.rerank import Rule
from shortlist.rerank.dpp import dpp
from shortlist.rerank.exposure import cap_exposure
from shortlist.rerank.fairness import fair_share
from shortlist.rerank.freshness import boost_fresh
from shortlist.rerank.genre_calibration import calibrate_genres
from shortlist.rerank.mmr import mmr
from shortlist.rerank.page_rows import PageLimits, Theme, assemble_page
from shortlist.rerank.rules import adjust_utility, pin_items

POOL, N, RUNS = 500, 20, 500


def timed(run: Callable[[], object]) -> tuple[float, float]:
    for _ in range(20):
        run()
    took = []
    for _ in range(RUNS):
        started = time.perf_counter()
        run()
        took.append(1000 * (time.perf_counter() - started))
    return float(np.median(took)), float(np.quantile(took, 0.99))


def main() -> None:
    rng = np.random.default_rng(0)
    utility = np.sort(rng.random(POOL))[::-1].copy()
    factors = rng.normal(size=(POOL, 64)).astype(np.float32)
    sizes = rng.integers(1, 4, POOL)
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    genres = rng.integers(0, 20, indptr[-1]).astype(np.int32)
    taste = rng.dirichlet(np.full(20, 0.5))
    born, order = rng.integers(0, 10**12, POOL), np.arange(POOL)
    provider, small = rng.integers(0, 60, POOL).astype(np.int32), rng.random(POOL) < 0.1
    met = rng.random(POOL) < 0.2
    boosts = [Rule(name=f"r{i}", when={"x": {}}, action="boost") for i in range(5)]
    pins = [Rule(name="p", when={"x": {}}, action="pin", slot=2)]
    topics = np.eye(20)[rng.integers(0, 20, POOL)]
    themes = [Theme("t", str(i), np.flatnonzero(rng.random(POOL) < 0.15)) for i in range(30)]
    runs: dict[str, Callable[[], object]] = {
        "MMR, 64 factors": lambda: mmr(utility, factors, 0.3, N),
        "DPP, 64 factors": lambda: dpp(utility, factors, 0.3, N),
        "calibration (Steck), 20 genres": lambda: calibrate_genres(utility, (indptr, genres), taste, 0.5, N),
        "freshness": lambda: boost_fresh(utility, born, 10**12, 1.0, 10**9),
        "exposure cap": lambda: cap_exposure(order, provider, 2, N),
        "fair share": lambda: fair_share(order, utility, small, 0.3, 0.1, N),
        "five boosts and a pin": lambda: pin_items(
            np.argsort(-adjust_utility(utility, order, boosts, lambda _rule: met)),
            order,
            pins,
            lambda _rule: met,
            N,
        ),
        "page: 6 rows of 10 from 30 topics": lambda: assemble_page(
            utility, topics, themes, PageLimits(6, 10, {"t": 30})
        ),
    }
    lines = [
        "## Re-ranking (`make benchmark-rerank`)",
        "",
        results.machine("shortlist", "numpy", "numba"),
        "",
        f"{POOL} candidates, slates of {N}; one thread, {RUNS} runs each. Target: 1 ms.",
        "",
        "| re-ranker | p50, ms | p99, ms |",
        "| --- | --- | --- |",
    ]
    for name, run in runs.items():
        median, tail = timed(run)
        lines.append(f"| {name} | {median:.3f} | {tail:.3f} |")
    print("\n".join(lines))
    results.write("rerank", lines)


if __name__ == "__main__":
    main()
