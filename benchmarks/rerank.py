"""Time of each re-ranker for 500 candidates and slates of 20 (`make benchmark-rerank`)."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import results
from shortlist.config.rerank import Rule
from shortlist.data.attributes import (
    Attribute,
    CategoryAttribute,
    ListAttribute,
    NumberAttribute,
    TimeAttribute,
)
from shortlist.data.entities import Entities
from shortlist.data.ids import IdMap
from shortlist.data.texts import Texts
from shortlist.rerank.conditions import Conditions
from shortlist.rerank.dpp import dpp
from shortlist.rerank.evaluate_condition import Evaluation
from shortlist.rerank.exposure import cap_exposure
from shortlist.rerank.fairness import fair_share
from shortlist.rerank.freshness import boost_fresh
from shortlist.rerank.genre_calibration import calibrate_genres
from shortlist.rerank.mmr import mmr
from shortlist.rerank.page_rows import PageLimits, Theme, assemble_page
from shortlist.rerank.pins import pin_slots, take_pins
from shortlist.rerank.request_values import Value
from shortlist.rerank.rules import adjust_utility

POOL, N, RUNS = 500, 20, 500
KEPT = (
    "Computed: only columns that are derived once a catalogue are kept. In a request: parts that read nothing of the request "
    "are kept, too."
)
ITEMS, NOW = 100_000, 1_800_000_000_000
EXPRESSIONS = (
    "price < 20",
    "price < 20 and not (genres in ['g1', 'g2'])",
    "brand = viewed.brand",
    "brand in user.favourites",
    "released > now - 30d",
    "distance(lat, lon, 52.5, 13.4) < 10km",
    "price < viewed.price * 1.2 and brand in user.favourites and released > now - 30d",
    "title contains 'star'",
    "distance(lat, lon, 52.5, 13.4) / 2 < 10km",
)


def pinned(
    by_utility: NDArray[np.int64], items: NDArray[np.int32], rules: list[Rule], met: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The slate of an order by utility, with the items that meet the conditions of pins in their slots."""
    pins = take_pins(by_utility, items, pin_slots(rules), lambda _rule: met)
    return pins.placed(pins.free(by_utility), 0, N)


def timed(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> tuple[float, float]:
    for _ in range(20):
        run()
    took = []
    for _ in range(RUNS):
        started = clock()
        run()
        took.append(1000 * (clock() - started))
    return float(np.median(took)), float(np.quantile(took, 0.99))


def condition_lines(rng: np.random.Generator) -> list[str]:
    """Time of the masks of expressions over a catalogue: computed, and with the parts that are kept."""
    sizes = rng.integers(0, 5, ITEMS)
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    lat, lon = rng.uniform(-90, 90, ITEMS), rng.uniform(-180, 180, ITEMS)
    columns: list[Attribute] = [
        NumberAttribute("price", (rng.random(ITEMS) * 100).astype(np.float32)),
        NumberAttribute("lat", lat.astype(np.float32)),
        NumberAttribute("lon", lon.astype(np.float32)),
        TimeAttribute("released", NOW - rng.integers(0, 1000 * 86_400_000, ITEMS)),
        CategoryAttribute("brand", rng.integers(-1, 500, ITEMS).astype(np.int32), [f"b{i}" for i in range(500)]),
        ListAttribute("genres", indptr, rng.integers(0, 30, indptr[-1]).astype(np.int32), [f"g{i}" for i in range(30)]),
    ]  # fmt: skip
    titles = Texts([f"A title of some words {'star' if i % 10 == 0 else 'moon'} {i}" for i in range(ITEMS)])
    items = Entities(IdMap(pa.array(np.arange(ITEMS))), titles, {column.name: column for column in columns})
    conditions = Conditions(items, {"favourites": "list"})
    values: dict[tuple[str, str], Value] = {
        ("now", ""): float(NOW),
        ("viewed", "brand"): ("b7",),
        ("viewed", "price"): 30.0,
        ("user", "favourites"): ("b1", "b4", "b9"),
    }
    lines = [
        "",
        f"Masks of [expressions](../docs/how-to/filters.md) over {ITEMS:,} items, CPU time of one thread. {KEPT}",
        "",
        "| expression | first of a catalogue, ms | computed, p50, ms | in a request, p50, ms |",
        "| --- | --- | --- | --- |",
    ]
    for text in EXPRESSIONS:
        condition = conditions.condition(text, "filters")
        started = time.thread_time()
        conditions.mask(text, values=values)
        first = 1000 * (time.thread_time() - started)
        computed, _ = timed(
            lambda c=condition: Evaluation(conditions.columns, values).mask(c), time.thread_time
        )  # type: ignore[misc]
        kept, _ = timed(lambda t=text: conditions.mask(t, values=values), time.thread_time)  # type: ignore[misc]
        lines.append(f"| `{text}` | {first:.2f} | {computed:.3f} | {kept:.3f} |")
    return lines


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
        "five boosts and a pin": lambda: pinned(
            np.argsort(-adjust_utility(utility, order, boosts, lambda _rule: met)), order, pins, met
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
    lines += condition_lines(rng)
    print("\n".join(lines))
    results.write("rerank", lines)


if __name__ == "__main__":
    main()
