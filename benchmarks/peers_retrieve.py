"""Other libraries in `make benchmark-retrieve`; runs in the environment benchmarks/.peers, without Shortlist.

    python peers_retrieve.py tuned TRAIN TEST OUT BUDGET    each peer with its best settings on a hold-out of TRAIN
    python peers_retrieve.py als TRAIN TEST OUT BUDGET      implicit's ALS only, at 128 and 256 factors
    python peers_retrieve.py index OUT ITEMS                hnswlib and faiss HNSW on generated factors

Peers: implicit's ALS (tuned: confidence, regularisation, factors, iterations), EASE (closed form, if the catalogue fits
into memory), GF-CF (implemented from the paper, because no library has it) and item neighbours (implicit's
cosine, TF-IDF and BM25). Lists and metrics are computed by the same code for all of them.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import scipy.sparse as sp

K = 20
EASE_ITEMS = 12_000
Scores = Callable[[np.ndarray], np.ndarray]


def read(train: str, test: str) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    tables = [pq.read_table(path, columns=["user_id", "item_id"]) for path in (train, test)]
    columns = [[t.column(c).to_numpy() for c in ("user_id", "item_id")] for t in tables]
    users = np.unique(np.concatenate([c[0] for c in columns]))
    items = np.unique(np.concatenate([c[1] for c in columns]))
    items = items[np.random.default_rng(0).permutation(len(items))]  # ids must not break ties
    order = np.argsort(items)

    def matrix(u: np.ndarray, i: np.ndarray) -> sp.csr_matrix:
        codes = order[np.searchsorted(items[order], i)]
        m = sp.csr_matrix(
            (np.ones(len(u), np.float32), (np.searchsorted(users, u), codes)), shape=(len(users), len(items))
        )
        m.sum_duplicates()
        m.data[:] = 1
        return m

    return matrix(*columns[0]), matrix(*columns[1])


def hold_out(X: sp.csr_matrix, share: float = 0.2) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    rng = np.random.default_rng(0)
    size = np.diff(X.indptr)
    owner = np.repeat(np.arange(X.shape[0]), size)
    order = np.lexsort([rng.random(X.nnz), owner])
    place = np.arange(X.nnz) - X.indptr[:-1][owner]
    quota = np.where(size >= 2, np.maximum(1, np.round(size * share)), 0)
    held = np.zeros(X.nnz, bool)
    held[order[place < quota[owner]]] = True

    def part(mask: np.ndarray) -> sp.csr_matrix:
        return sp.csr_matrix((X.data[mask], (owner[mask], X.indices[mask])), shape=X.shape)

    return part(~held), part(held)


def judge(
    scores: Scores, seen: sp.csr_matrix, truth: sp.csr_matrix, most: int | None = None
) -> dict[str, float]:
    rows = np.flatnonzero(np.diff(truth.indptr) > 0)
    if most and len(rows) > most:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:most])
    recall, ndcg = [], []
    discount = 1 / np.log2(np.arange(2, K + 2))
    ideal = np.concatenate([[0], np.cumsum(discount)])
    for start in range(0, len(rows), 1024):
        block = rows[start : start + 1024]
        values = np.array(scores(block), np.float32)
        for at, row in enumerate(block):
            values[at, seen.indices[seen.indptr[row] : seen.indptr[row + 1]]] = -np.inf
        top = np.argpartition(-values, K, axis=1)[:, :K]
        top = np.take_along_axis(top, np.argsort(-np.take_along_axis(values, top, 1), axis=1), 1)
        for at, row in enumerate(block):
            wanted = truth.indices[truth.indptr[row] : truth.indptr[row + 1]]
            hits = np.isin(top[at], wanted)
            recall.append(hits.sum() / len(wanted))
            ndcg.append((hits * discount).sum() / ideal[min(len(wanted), K)])
    return {"recall@20": float(np.mean(recall)), "ndcg@20": float(np.mean(ndcg))}


def fit_als(X: sp.csr_matrix, factors: int, alpha: float, reg: float, iterations: int) -> Scores:
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=factors, regularization=reg, alpha=alpha, iterations=iterations, random_state=0, num_threads=0
    )
    model.fit(X, show_progress=False)
    return lambda rows: model.user_factors[rows] @ model.item_factors.T


def fit_neighbours(X: sp.csr_matrix, kind: str, k: int) -> Scores:
    from implicit import nearest_neighbours as nn

    model = {"cosine": nn.CosineRecommender, "tfidf": nn.TFIDFRecommender, "bm25": nn.BM25Recommender}[kind](
        K=k
    )
    model.fit(X, show_progress=False)
    return lambda rows: (X[rows] @ model.similarity.T).toarray()


def fit_ease(X: sp.csr_matrix, reg: float) -> Scores:
    G = (X.T @ X).toarray().astype(np.float64)
    G[np.diag_indices(len(G))] += reg
    P = np.linalg.inv(G)
    B = (P / -np.diag(P)).astype(np.float32)
    B[np.diag_indices(len(B))] = 0
    return lambda rows: X[rows] @ B


def fit_gfcf(X: sp.csr_matrix, components: int, weight: float) -> Scores:
    from scipy.sparse.linalg import svds

    du = np.maximum(np.asarray(X.sum(1)).ravel(), 1) ** -0.5
    di = np.maximum(np.asarray(X.sum(0)).ravel(), 1)
    R = (sp.diags(du) @ X @ sp.diags(di**-0.5)).tocsr().astype(np.float32)
    _, _, Vt = svds(R, k=min(components, min(R.shape) - 1))
    left = (di**-0.5)[:, None] * Vt.T
    right = Vt * (di**0.5)[None, :]

    def scores(rows: np.ndarray) -> np.ndarray:
        linear = ((R[rows] @ R.T) @ R).toarray()
        return linear + weight * ((X[rows] @ left) @ right)

    return scores


GRIDS: dict[str, tuple[Callable[..., Scores], list[dict[str, Any]]]] = {
    "implicit ALS": (
        fit_als,
        [
            {"factors": f, "alpha": a, "reg": r, "iterations": 15}
            for f in (64, 128, 256)
            for a in (1.0, 5.0, 20.0)
            for r in (0.01, 1.0, 10.0)
        ],
    ),
    "item neighbours (implicit)": (
        fit_neighbours,
        [{"kind": kind, "k": k} for kind in ("cosine", "tfidf", "bm25") for k in (20, 50, 100, 200, 500)],
    ),
    "EASE": (fit_ease, [{"reg": r} for r in (1.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)]),
    "GF-CF": (
        fit_gfcf,
        [{"components": c, "weight": w} for c in (32, 64, 128, 256, 512) for w in (0.0, 0.3, 1.0)],
    ),
}


LARGE: dict[str, tuple[int, dict[str, Any]]] = {
    "implicit ALS": (4, {"factors": 128}),
    "GF-CF": (3, {"components": 256}),
}


def tune(
    name: str, X: sp.csr_matrix, T: sp.csr_matrix, budget: int, only: dict[str, Any] | None = None
) -> dict[str, Any]:
    fit, grid = GRIDS[name]
    grid = [g for g in grid if only is None or all(g[k] == v for k, v in only.items())]
    if len(grid) > budget:  # the same number of trials as Shortlist has
        grid = [grid[i] for i in np.sort(np.random.default_rng(0).permutation(len(grid))[:budget])]
    A, V = hold_out(X)
    tried = [(judge(fit(A, **g), A, V, 4000)["ndcg@20"], g) for g in grid]
    settings = max(tried, key=lambda t: t[0])[1]
    started = time.perf_counter()
    scores = fit(X, **settings)
    seconds = time.perf_counter() - started
    return {**judge(scores, X, T), "fit_seconds": seconds, "settings": settings, "trials": len(grid)}


def tuned(train: str, test: str, out: str, budget: str) -> None:
    X, T = read(train, test)
    found: dict[str, Any] = {}
    for name in GRIDS:
        if name == "EASE" and X.shape[1] > EASE_ITEMS:
            found[name] = {"left_out": f"{X.shape[1]:,} items: its dense matrix does not fit"}
            continue
        if (
            X.nnz > 500_000 and name in LARGE
        ):  # a trial takes a minute or more: fewer trials, near settings that are known to be good
            found[name] = tune(name, X, T, LARGE[name][0], LARGE[name][1])
            continue
        found[name] = tune(name, X, T, int(budget))
        print(name, found[name], flush=True)
    write(out, found)


def als(train: str, test: str, out: str, budget: str) -> None:
    X, T = read(train, test)
    found = {}
    for factors in (128, 256):
        found[str(factors)] = tune("implicit ALS", X, T, int(budget), {"factors": factors})
        # fit time: median of three, after warm-up
        times = []
        for _ in range(3):
            started = time.perf_counter()
            fit_als(X, **found[str(factors)]["settings"])
            times.append(time.perf_counter() - started)
        found[str(factors)]["fit_seconds"] = float(np.median(times))
        print(factors, found[str(factors)], flush=True)
    write(out, found)


def index(out: str, path: str) -> None:
    """Measure HNSW indexes. path: an npz file with items (n, d) and requests (q, d)."""
    import faiss
    import hnswlib

    data = np.load(path)
    items, requests = data["items"], data["requests"]
    n, d = items.shape
    faiss.omp_set_num_threads(1)
    exact = faiss.IndexFlatIP(d)
    exact.add(items)
    truth = exact.search(requests, 100)[1]
    del exact
    found: dict[str, Any] = {}

    def recall(got: np.ndarray) -> float:
        return float(np.mean([len(np.intersect1d(a, b)) / 100 for a, b in zip(truth, got, strict=True)]))

    before = memory_mb()
    faiss.omp_set_num_threads(2)
    started = time.perf_counter()
    graph = faiss.IndexHNSWFlat(d, 16, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = 100
    graph.add(items)
    built, size = time.perf_counter() - started, memory_mb() - before
    faiss.omp_set_num_threads(1)
    rows = []
    for ef in (100, 200, 400):
        graph.hnsw.efSearch = ef
        rows.append({"ef": ef, **timed(lambda q: graph.search(q, 100)[1], requests, recall)})
    found["faiss HNSW"] = {"build_seconds": built, "memory_mb": size, "points": rows}
    before = memory_mb()
    started = time.perf_counter()
    other = hnswlib.Index(space="ip", dim=d)
    other.init_index(max_elements=n, ef_construction=100, M=16, random_seed=0)
    other.add_items(items, num_threads=2)
    built, size = time.perf_counter() - started, memory_mb() - before
    other.set_num_threads(1)
    rows = []
    for ef in (100, 200, 400):
        other.set_ef(ef)
        rows.append({"ef": ef, **timed(lambda q: other.knn_query(q, k=100)[0], requests, recall)})
    found["hnswlib"] = {"build_seconds": built, "memory_mb": size, "points": rows}
    write(out, found)


def timed(
    search: Callable[[np.ndarray], np.ndarray], requests: np.ndarray, recall: Callable[[np.ndarray], float]
) -> dict[str, float]:
    took, got = [], []
    for row in requests:
        started = time.perf_counter()
        got.append(search(row[None])[0])
        took.append(time.perf_counter() - started)
    return {"recall": recall(np.stack(got)), "ms": float(np.median(took) * 1000)}


def memory_mb() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 2**20


def write(out: str, found: dict[str, Any]) -> None:
    found["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    Path(out).write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    {"tuned": tuned, "als": als, "index": index}[sys.argv[1]](*sys.argv[2:])
