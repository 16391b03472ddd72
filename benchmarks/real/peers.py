"""Other libraries in `make benchmark-real`; runs in the environment benchmarks/.peers_real, without Shortlist.

    python benchmarks/real/peers.py FOLDER NAME…

Each peer is fitted on the training events before the validation, its settings are chosen by NDCG@k on the validation, and it is fitted
again on all training events. The lists go to FOLDER/NAME.KIND.parquet, settings and times to FOLDER/NAME.json.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from peer_log import Exchange, Log, ndcg, top_k
from peer_models import GRIDS, Scores, new_user_rows
from peer_trees import TREES, Trees

BATCH, TUNED_USERS = 256, 2_000
LARGE = 300_000
"""Beyond so many events, LightFM is not tuned: one fit takes minutes."""


def lists_of(scores: Scores, log: Log, users: np.ndarray, k: int, repeats: bool) -> np.ndarray:
    """The best k items of each user, without those of the past unless repeats."""
    past = None if repeats else log.matrix()
    parts = []
    for start in range(0, len(users), BATCH):
        block = users[start : start + BATCH]
        values = np.array(scores(block), np.float32)
        if past is not None:
            rows = past[block]
            values[np.repeat(np.arange(len(block)), np.diff(rows.indptr)), rows.indices] = -np.inf
        parts.append(top_k(values, k))
    return np.concatenate(parts)


def wanted_items(past: Log, after: Log, repeats: bool) -> tuple[np.ndarray, list[np.ndarray]]:
    """Users of a period, and the wanted items of each; without repeats, only those that are not in the past."""
    width = past.shape[1]
    pairs = np.unique(after.user[after.wanted] * width + after.item[after.wanted])
    if not repeats:
        pairs = np.setdiff1d(pairs, past.user * width + past.item)
    users = np.unique(pairs // width)
    if len(users) > TUNED_USERS:
        users = np.sort(np.random.default_rng(0).permutation(users)[:TUNED_USERS])
    start, end = np.searchsorted(pairs // width, users), np.searchsorted(pairs // width, users, side="right")
    return users, [pairs[a:b] % width for a, b in zip(start, end, strict=True)]


def tuned(name: str, exchange: Exchange, als: dict[str, Any]) -> tuple[dict[str, Any], float, int]:
    """The best of a peer's settings on the validation, their NDCG, and the number of settings that were tried."""
    options, (make, grid) = exchange.options, GRIDS[name]
    cut, end = options["validation"], options["moment"]
    past, after = exchange.log.between(-np.inf, cut), exchange.log.between(cut, end)
    users, truth = wanted_items(past, after, options["repeats"])
    if name == "bought before + ALS":
        grid = [{**settings, **als} for settings in grid]
    if len(exchange.log.user) > LARGE:
        grid = grid[:1] if name == "LightFM" else grid
    if bool(exchange.log.wanted.all()):
        grid = [settings for settings in grid if not settings.get("wanted")]
    if len(grid) == 1:
        return grid[0], float("nan"), 1
    found = []
    for settings in grid:
        scores = new_user_rows(make(past, cut, **settings), past, cut)
        found.append(ndcg(lists_of(scores, past, users, options["k"], options["repeats"]), truth))
        print("  ", name, settings, round(found[-1], 4), flush=True)
    return grid[int(np.argmax(found))], max(found), len(grid)


def main() -> None:
    exchange = Exchange.read(Path(sys.argv[1]))
    options, moment = exchange.options, exchange.options["moment"]
    als: dict[str, Any] = {}
    kept = exchange.folder / "implicit ALS.json"
    if kept.exists():
        als = json.loads(kept.read_text())["settings"]
    for name in sys.argv[2:]:
        started = time.process_time()
        if name in TREES:
            trees = Trees(name, options, als).fit(exchange.log)
            facts: dict[str, Any] = {"settings": trees.settings, "trials": trees.trials}
            for kind, repeats in options["lists"].items():
                lists = trees.lists(exchange.log, exchange.requests, repeats)
                exchange.write(name, kind, lists, facts | {"seconds": time.process_time() - started})
            continue
        settings, value, trials = tuned(name, exchange, als)
        if name == "implicit ALS":
            als = settings
        scores = new_user_rows(GRIDS[name][0](exchange.log, moment, **settings), exchange.log, moment)
        for kind, repeats in options["lists"].items():
            lists = lists_of(scores, exchange.log, exchange.requests, options["k"], repeats)
            facts = {"settings": settings, "validation": value, "trials": trials}
            exchange.write(name, kind, lists, facts | {"seconds": time.process_time() - started})
        print(name, settings, f"{time.process_time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
