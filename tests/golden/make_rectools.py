"""Write rectools.json: the metrics of RecTools for an example that a test computes too.

RecTools requires numpy below 2, so it has its own environment (`benchmarks/peers_evaluate.txt`), and its values are stored:

    benchmarks/.judges/bin/python tests/golden/make_rectools.py
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from rectools import Columns
from rectools.metrics import (
    MAP,
    MRR,
    NDCG,
    CatalogCoverage,
    HitRate,
    IntraListDiversity,
    MeanInvUserFreq,
    PairwiseHammingDistanceCalculator,
    Precision,
    Recall,
    calc_metrics,
)

USERS, ITEMS, LENGTH, K = 40, 30, 12, 5


def main() -> None:
    rng = np.random.default_rng(11)
    lists = [rng.permutation(ITEMS)[:LENGTH].tolist() for _ in range(USERS)]
    test = [sorted(rng.permutation(ITEMS)[: rng.integers(1, 8)].tolist()) for _ in range(USERS)]
    train = [sorted(rng.permutation(ITEMS)[: rng.integers(1, 12)].tolist()) for _ in range(USERS)]
    genres = rng.integers(0, 2, (ITEMS, 6))
    reco = pd.DataFrame(
        [(u, i, r + 1) for u, line in enumerate(lists) for r, i in enumerate(line)],
        columns=[Columns.User, Columns.Item, Columns.Rank],
    )
    frames = {}
    for name, table in (("test", test), ("train", train)):
        frames[name] = pd.DataFrame(
            [(u, i, 1.0, "2024-01-01") for u, line in enumerate(table) for i in line],
            columns=[Columns.User, Columns.Item, Columns.Weight, Columns.Datetime],
        )
    distance = PairwiseHammingDistanceCalculator(pd.DataFrame(genres, index=range(ITEMS)))
    metrics = {
        "recall": Recall(k=K),
        "precision": Precision(k=K),
        "hit_rate": HitRate(k=K),
        "map": MAP(k=K),
        "mrr": MRR(k=K),
        "ndcg": NDCG(k=K, divide_by_achievable=True),
        "novelty": MeanInvUserFreq(k=K),
        "coverage": CatalogCoverage(k=K, normalize=True),
        "hamming": IntraListDiversity(k=K, distance_calculator=distance),
    }
    values = calc_metrics(metrics, reco, frames["test"], frames["train"], catalog=list(range(ITEMS)))
    Path(__file__).with_name("rectools.json").write_text(
        json.dumps(
            {
                "rectools": version("rectools"),
                "k": K,
                "lists": lists,
                "test": test,
                "train": train,
                "genres": genres.tolist(),
                "values": {name: float(value) for name, value in values.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
