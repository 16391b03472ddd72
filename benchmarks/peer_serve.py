"""Baseline for serving: FastAPI on Granian, faiss, features gathered with NumPy, three XGBoost models.

It has one source, and no diversity, reasons, live counters, experiments or logging. benchmarks/serve.py runs it. With
PEER_WORK=same it does the same work as Shortlist in the benchmark, in NumPy and SciPy: three sources fused by reciprocal
ranks, diversity by categories, a reason for every item, and each slate stored in SQLite by a separate thread. Its features do not
change with events.
"""

from __future__ import annotations

import json
import os
import queue
import sqlite3
import threading
import uuid
from pathlib import Path

import faiss
import numpy as np
import scipy.sparse as sp
import xgboost as xgb
from fastapi import FastAPI
from fastapi.responses import ORJSONResponse
from pyarrow import ipc
from pydantic import BaseModel

FEATURES, TREES, CANDIDATES = 30, int(os.environ.get("PEER_TREES", "54")), 500
faiss.omp_set_num_threads(1)
bundle = Path(os.environ["PEER_BUNDLE"])
items = np.load(bundle / "retrievers" / "als" / "arrays" / "items.npy")
index = faiss.index_factory(
    items.shape[1], f"IVF{4 * int(len(items) ** 0.5)},SQ8", faiss.METRIC_INNER_PRODUCT
)
index.train(items[:50_000])
index.add(items)
index.nprobe = 40  # type: ignore[attr-defined]
log = ipc.open_file(str(bundle / "data" / "log.arrow")).read_all()
user, item = log.column("user").to_numpy(), log.column("item").to_numpy()
order = np.argsort(user, kind="stable")
taken, starts = item[order], np.searchsorted(user[order], np.arange(user.max() + 2))
rng = np.random.default_rng(0)
of_item = rng.normal(size=(len(items), FEATURES - 12)).astype(np.float32)
of_user = rng.normal(size=(len(starts) - 1, 10)).astype(np.float32)
heads = []
for seed in range(3):
    x = rng.normal(size=(20_000, FEATURES)).astype(np.float32)
    y = (x @ rng.normal(size=FEATURES) + rng.normal(size=20_000) > 1).astype(np.float32)
    heads.append(
        xgb.train(
            {"objective": "binary:logistic", "max_depth": 5, "eta": 0.1, "nthread": 1, "seed": seed},
            xgb.DMatrix(x, label=y),
            TREES,
        )
    )
for head in heads:
    head.set_param({"nthread": 1})
titles = [f"Item {i}" for i in range(len(items))]
weights = np.array([1.0, 1.0, 3.0], np.float32)
app = FastAPI()


class Asked(BaseModel):
    user: int
    n: int = 20


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


def ranked(user: int, candidates: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return predictions, float32 (candidates, 3)."""
    rows = np.empty((len(candidates), FEATURES), np.float32)
    rows[:, : FEATURES - 12] = of_item[candidates]
    rows[:, FEATURES - 12 : FEATURES - 2] = of_user[user]
    rows[:, FEATURES - 2] = score
    rows[:, FEATURES - 1] = np.arange(len(candidates))
    return np.stack([head.inplace_predict(rows) for head in heads], axis=1)


def nearest(history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return candidates by inner product, best first and without the history, and their scores."""
    scores, found = index.search(items[history].mean(0, keepdims=True), CANDIDATES + len(history))
    kept = ~np.isin(found[0], history) & (found[0] >= 0)
    return found[0][kept][:CANDIDATES], scores[0][kept][:CANDIDATES]


@app.post("/v1/recommend")
async def recommend(asked: Asked) -> ORJSONResponse:
    history = taken[starts[asked.user] : starts[asked.user + 1]][-200:]
    if SAME:
        return ORJSONResponse(everything(asked, history))
    candidates, score = nearest(history)
    predicted = ranked(asked.user, candidates, score)
    best = np.argsort(-(predicted @ weights))[: asked.n]
    return ORJSONResponse({"items": [described(candidates[i], predicted[i]) for i in best]})


def described(item: int, predicted: np.ndarray) -> dict[str, object]:
    return {"item": int(item), "title": titles[item], "predictions": [float(p) for p in predicted]}


# ---------------------------------------------------------------- the same work

SAME = os.environ.get("PEER_WORK") == "same"
if SAME:
    kept = bundle / "retrievers" / "neighbours" / "arrays"
    alike = sp.csr_matrix(
        tuple(np.load(kept / f"weights.{part}.npy") for part in ("data", "indices", "indptr")),
        shape=tuple(np.load(kept / "weights.shape.npy")),
    )
    popular = np.argsort(-np.bincount(item, minlength=len(items)), kind="stable")
    category = rng.integers(0, 100, len(items))
    slates: queue.Queue[tuple[str, str]] = queue.Queue()

    def keep() -> None:
        store = sqlite3.connect(os.environ["PEER_STORE"])
        store.execute("pragma journal_mode=wal")
        store.execute("create table if not exists slates (slate text primary key, body text)")
        while True:
            batch = [slates.get()]
            while not slates.empty() and len(batch) < 500:
                batch.append(slates.get())
            store.executemany("insert into slates values (?, ?)", batch)
            store.commit()

    threading.Thread(target=keep, daemon=True).start()


def everything(asked: Asked, history: np.ndarray) -> dict[str, object]:
    by_factor, score = nearest(history)
    near = np.asarray(alike[history].sum(0)).ravel()
    near[history] = 0
    top = np.argpartition(-near, CANDIDATES)[:CANDIDATES]
    by_neighbours = top[np.argsort(-near[top])]
    head = popular[: CANDIDATES + len(history)]
    lists = [by_factor, by_neighbours, head[~np.isin(head, history)][:CANDIDATES]]
    every, at = np.unique(np.concatenate(lists), return_inverse=True)
    fused = np.bincount(at, np.concatenate([1.0 / (60 + np.arange(len(one))) for one in lists]))
    candidates = every[np.argsort(-fused)[:CANDIDATES]]
    score = items[candidates] @ items[history].mean(0)
    predicted = ranked(asked.user, candidates, score)
    worth = predicted @ weights
    pool = np.argsort(-worth)[:100]
    gain, same = (worth[pool] - worth[pool].min()) / max(np.ptp(worth[pool]), 1e-9) * 0.7, np.zeros(len(pool))
    chosen = []
    for _ in range(asked.n):
        best = int(np.argmax(gain - 0.3 * same))
        chosen.append(pool[best])
        gain[best] = -np.inf
        same[category[candidates[pool]] == category[candidates[pool[best]]]] = 1.0
    shown = candidates[chosen]
    speaks = history[np.argmax(items[shown] @ items[history].T, axis=1)]
    answer = {
        "slate_id": uuid.uuid4().hex,
        "items": [
            described(one, p) | {"reason": f"Because you took {titles[why]}"}
            for one, p, why in zip(shown, predicted[chosen], speaks, strict=True)
        ],
    }
    slates.put((answer["slate_id"], json.dumps([int(i) for i in shown])))
    return answer
