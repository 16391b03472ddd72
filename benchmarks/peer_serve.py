"""What a competent engineer would build from parts, in a day: FastAPI on Granian, faiss, features gathered with NumPy, three XGBoost
heads. One source, no diversity, no reasons, no live counters, no experiments, nothing logged. Run by benchmarks/serve.py."""

from __future__ import annotations

import os
from pathlib import Path

import faiss
import numpy as np
import pyarrow.ipc as ipc
import xgboost as xgb
from fastapi import FastAPI
from fastapi.responses import ORJSONResponse
from pydantic import BaseModel

FEATURES, TREES, CANDIDATES = 30, int(os.environ.get("PEER_TREES", "54")), 500
faiss.omp_set_num_threads(1)
bundle = Path(os.environ["PEER_BUNDLE"])
with np.load(bundle / "retrievers" / "als" / "arrays.npz") as arrays:
    items = np.ascontiguousarray(arrays["items"], np.float32)
index = faiss.index_factory(
    items.shape[1], f"IVF{4 * int(len(items) ** 0.5)},SQ8", faiss.METRIC_INNER_PRODUCT
)
index.train(items[:50_000])
index.add(items)
index.nprobe = 40
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


@app.post("/v1/recommend")
async def recommend(asked: Asked) -> ORJSONResponse:
    history = taken[starts[asked.user] : starts[asked.user + 1]][-200:]
    vector = items[history].mean(0, keepdims=True)
    scores, found = index.search(vector, CANDIDATES + len(history))
    kept = ~np.isin(found[0], history) & (found[0] >= 0)
    candidates, score = found[0][kept][:CANDIDATES], scores[0][kept][:CANDIDATES]
    rows = np.empty((len(candidates), FEATURES), np.float32)
    rows[:, : FEATURES - 12] = of_item[candidates]
    rows[:, FEATURES - 12 : FEATURES - 2] = of_user[asked.user]
    rows[:, FEATURES - 2] = score
    rows[:, FEATURES - 1] = np.arange(len(candidates))
    predicted = np.stack([head.inplace_predict(rows) for head in heads], axis=1)
    best = np.argsort(-(predicted @ weights))[: asked.n]
    return ORJSONResponse(
        {
            "items": [
                {
                    "item": int(candidates[i]),
                    "title": titles[candidates[i]],
                    "predictions": [float(p) for p in predicted[i]],
                }
                for i in best
            ]
        }
    )
