"""Compute metrics with one library on the tables of `benchmarks/evaluate.py`; prints time, memory and metrics as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

K = 100


def ours(folder: Path, people: int | None, whole: bool, draws: int = 1000) -> dict[str, float]:
    import pyarrow.parquet as pq

    import shortlist

    rows = [("user_id", "<", people)] if people else None
    names = ("lists", "test", *(("train",) if whole else ()))
    tables = [pq.read_table(folder / f"{name}.parquet", filters=rows) for name in names]
    report = shortlist.evaluate(
        {"lists": tables[0]}, test=tables[1], train=tables[2] if whole else None, k=K, draws=draws
    )
    return {name.partition("@")[0]: e.value for name, e in report.metrics["lists"].items()}


def ranx(folder: Path, people: int | None) -> dict[str, float]:
    from ranx import Qrels, Run, evaluate

    test = pd.read_parquet(folder / "test.parquet")
    lists = pd.read_parquet(folder / "lists.parquet")
    if people:
        test, lists = test[test.user_id < people], lists[lists.user_id < people]
    test = test.drop_duplicates().astype(str).assign(score=1)
    lists = lists.assign(score=1000.0 - lists["rank"]).astype({"user_id": str, "item_id": str})
    qrels = Qrels.from_df(test, q_id_col="user_id", doc_id_col="item_id", score_col="score")
    run = Run.from_df(lists, q_id_col="user_id", doc_id_col="item_id", score_col="score")
    names = [f"{m}@{K}" for m in ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")]
    found = evaluate(qrels, run, names, make_comparable=True)
    return {name.partition("@")[0]: float(value) for name, value in found.items()}


def rectools(folder: Path, people: int | None) -> dict[str, float]:
    from rectools import Columns
    from rectools.metrics import MAP, MRR, NDCG, HitRate, MeanInvUserFreq, Precision, Recall, calc_metrics

    test = pd.read_parquet(folder / "test.parquet").drop_duplicates()
    lists = pd.read_parquet(folder / "lists.parquet")
    train = pd.read_parquet(folder / "train.parquet")
    if people:
        test, lists = test[test.user_id < people], lists[lists.user_id < people]
    for frame in (test, train):
        frame[Columns.Weight] = 1.0
    metrics = {
        "ndcg": NDCG(k=K, divide_by_achievable=True),
        "recall": Recall(k=K),
        "precision": Precision(k=K),
        "map": MAP(k=K),
        "mrr": MRR(k=K),
        "hit_rate": HitRate(k=K),
        "novelty": MeanInvUserFreq(k=K),
    }
    found = calc_metrics(metrics, lists, test, train)
    return {name: float(value) for name, value in found.items()}


def main() -> None:
    way, folder = sys.argv[1], Path(sys.argv[2])
    ways: dict[str, Any] = {
        "ours-all": lambda n: ours(folder, n, True),
        "ours": lambda n: ours(folder, n, False),
        "ours-means": lambda n: ours(folder, n, False, 1),
        "ranx": lambda n: ranx(folder, n),
        "rectools": lambda n: rectools(folder, n),
    }
    ways[way](100)
    started = time.perf_counter()
    found = ways[way](None)
    seconds = time.perf_counter() - started
    # the memory of this process only; getrusage would include the parent's memory before exec
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    memory = int(status.split()[0]) / 1e6
    print(json.dumps({"seconds": seconds, "memory": memory, "numbers": len(found), **found}))


if __name__ == "__main__":
    main()
