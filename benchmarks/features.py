"""Cost of features in training and in serving (`make benchmark-features`); written to benchmarks/RESULTS.md."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pyarrow as pa

import results

USERS, ITEMS, ROWS = 200_000, 100_000, 600_000
WINDOWS = ("1h", "1d", "7d", "30d")


def declared() -> list[dict[str, Any]]:
    """Return 30 typical feature declarations."""
    features: list[dict[str, Any]] = []
    for window in WINDOWS:
        features.append(
            {"name": f"item_{window}", "kind": "count", "by": "item", "event": "click", "window": window}
        )
        features.append(
            {"name": f"user_{window}", "kind": "count", "by": "user", "event": "click", "window": window}
        )
    for by in ("item", "user", "item.category", "item.brand", "user*item.category"):
        short = by.replace("item.", "").replace("*", "_")
        features.append(
            {
                "name": f"rate_{short}",
                "kind": "rate",
                "by": by,
                "event": "click",
                "per": "impression",
                "window": "30d",
            }
        )
        features.append({"name": f"bought_{short}", "kind": "count", "by": by, "event": "buy"})
    features += [
        {"name": "price_mean", "kind": "mean", "by": "user", "event": "buy"},
        {"name": "price_latest", "kind": "latest", "by": "user", "event": "buy"},
        {"name": "price_most", "kind": "maximum", "by": "user", "event": "buy", "window": "30d"},
        {
            "name": "brands",
            "kind": "distinct",
            "of": "item.brand",
            "by": "user",
            "event": "click",
            "window": "30d",
        },
        {"name": "rising", "kind": "trend", "by": "item", "event": "click", "window": "1d", "against": "7d"},
        {"name": "last_click", "kind": "recency", "by": "user", "event": "click"},
        {"name": "last_category", "kind": "recency", "by": "user*item.category", "event": "click"},
        {"name": "taste", "kind": "affinity", "of": "item.category", "last": 50},
        {"name": "near", "kind": "similarity", "of": "item.vector", "last": 20},
        {"name": "category", "kind": "attribute", "of": "item.category"},
        {"name": "price", "kind": "attribute", "of": "item.price"},
        {"name": "hour", "kind": "moment", "of": "hour"},
    ]
    assert len(features) == 30
    return features


def log(n: int) -> tuple[Any, Any]:
    from shortlist import Dataset
    from shortlist.config.project import parse_project

    rng = np.random.default_rng(0)
    user = (USERS * rng.random(n) ** 2).astype(np.int64)
    item = np.minimum(rng.zipf(1.2, n), ITEMS) - 1
    kind = rng.choice(["impression", "click", "buy"], n, p=[0.7, 0.25, 0.05])
    events = pa.table(
        {
            "user_id": user,
            "item_id": item,
            "timestamp": np.sort(rng.integers(1_700_000_000, 1_700_000_000 + 60 * 86_400, n)),
            "kind": kind,
            "value": rng.gamma(2, 10, n).astype(np.float32),
        }
    )
    items = pa.table(
        {
            "item_id": np.arange(ITEMS),
            "category": rng.choice([f"c{i}" for i in range(40)], ITEMS),
            "brand": rng.choice([f"b{i}" for i in range(2000)], ITEMS),
            "price": rng.gamma(2, 10, ITEMS),
            "vector": pa.array(list(rng.normal(size=(ITEMS, 16)).astype(np.float32)), pa.list_(pa.float32())),
        }
    )
    project = parse_project(
        {
            "data": {
                "columns": {"timestamp": "timestamp", "kind": "kind", "value": "value"},
                "duplicates": "keep",
            },
            "items": {
                "id": "item_id",
                "attributes": {
                    "category": "category",
                    "brand": "category",
                    "price": "number",
                    "vector": "embedding",
                },
            },
            "objectives": {"click": {"events": ["click"]}},
            "features": declared(),
        }
    )
    return project, Dataset.from_frames(events, items, None, project)


def rows_of(
    dataset: Any, requests: int, each: int, rng: np.random.Generator, moment: int | None = None
) -> Any:
    from shortlist.data.histories import as_of
    from shortlist.features.keys import RequestKeys
    from shortlist.features.rows import FeatureRows

    users = rng.choice(dataset.log.user, requests).astype(np.int32)
    moments = (
        rng.choice(dataset.log.time[len(dataset.log) // 2 :], requests)
        if moment is None
        else np.full(requests, moment, np.int64)
    )
    none = np.empty((requests * each, 0), np.float32)
    return FeatureRows(
        RequestKeys(users),
        moments,
        as_of(dataset.histories, users, moments),
        np.repeat(np.arange(requests), each),
        rng.choice(dataset.log.item, requests * each).astype(np.int32),
        [],
        none,
        none,
    )


def part_offline(n: str) -> dict[str, Any]:
    from shortlist.features.feature_set import FeatureSet

    project, dataset = log(int(n))
    rng = np.random.default_rng(1)
    features = FeatureSet.from_project(project, dataset).fit(dataset)
    rows = rows_of(dataset, ROWS // 60, 60, rng)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    matrix = features.offline_matrix(rows, dataset)
    return {"seconds": time.perf_counter() - started, "cells": matrix.size, "before_gb": before / 1e6}


def part_live(n: str) -> dict[str, Any]:
    from shortlist.features.feature_set import FeatureSet
    from shortlist.features.keys import KeyRows, RequestKeys

    project, dataset = log(int(n))
    features = FeatureSet.from_project(project, dataset).fit(dataset)
    started = time.perf_counter()
    live = features.counters(dataset)
    rebuild = len(dataset.log) / (time.perf_counter() - started)
    items, attributes = features.item_features(dataset.items), dataset.items.attributes
    events = dataset.log
    rng = np.random.default_rng(2)
    now = int(events.time[-1]) + 1
    answer: dict[str, Any] = {"rebuild": rebuild}
    for size in (1, 100):
        pace = []
        for _ in range(5):
            chosen = rng.integers(0, len(events), 4_000)
            started = time.perf_counter()
            for begin in range(0, len(chosen), size):
                part = chosen[begin : begin + size]
                if size == 1:
                    row = int(part[0])
                    live.add_many(
                        events.kinds[events.kind[row]],
                        KeyRows.one_each(RequestKeys(events.user[part]), events.item[part], attributes),
                        np.array([now]),
                        events.value[part],
                    )
                    continue
                kinds = events.kind[part]
                for code in np.unique(kinds):
                    own = part[kinds == code]
                    live.add_many(
                        events.kinds[code],
                        KeyRows.one_each(RequestKeys(events.user[own]), events.item[own], attributes),
                        np.full(len(own), now),
                        events.value[own],
                    )
            pace.append(len(chosen) / (time.perf_counter() - started))
        answer[f"events_{size}"] = statistics.median(pace)
    rows = rows_of(dataset, 1, 500, rng, now)
    took = []
    for _ in range(300):
        started = time.perf_counter()
        features.online_matrix(rows, live, items)
        took.append((time.perf_counter() - started) * 1000)
    answer["matrix_ms"], answer["columns"] = statistics.median(took), len(features.names([]))
    return answer


def child(part: str, n: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, part, str(n)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def main() -> None:
    offline = child("offline", 10_000_000)
    live = child("live", 2_000_000)
    results.write(
        "features",
        [
            "## Features (`make benchmark-features`)",
            "",
            (
                f"30 features (counts, rates, means, extremes, distinct counts, trends, affinities; four windows; by item, user, brand, "
                f"category and user × category) for {ROWS:,} rows; {USERS:,} users, {ITEMS:,} items, generated log; {os.cpu_count()} shared cores."
            ),
            "",
            "| measurement | result | target |",
            "| --- | --- | --- |",
            f"| training, 10 M events | {offline['seconds']:.0f} s, peak {offline['memory_gb']:.1f} GB ({offline['before_gb']:.1f} GB of it for the log) | 90 s, 6 GB |",
            f"| serving, one event at a time | {live['events_1']:,.0f} events/s on one thread | 20,000 |",
            f"| serving, batches of 100 | {live['events_100']:,.0f} events/s on one thread | 20,000 |",
            f"| rebuilding the counters from the log | {live['rebuild']:,.0f} events/s | |",
            f"| matrix of 500 candidates × 30 features | {live['matrix_ms']:.2f} ms (median of 300) | 1 ms |",
        ],
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        answer = {"offline": part_offline, "live": part_live}[sys.argv[1]](sys.argv[2])
        print(json.dumps({**answer, "memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}))
    else:
        main()
