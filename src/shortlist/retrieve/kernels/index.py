"""Index: the items whose factors have the largest inner product with a request's.

Up to `exact_items` the product with every item is taken: one pass over the factors, exact, nothing to build. Beyond, faiss
IVF with 8-bit codes: items are put into cells by k-means, a request looks into the cells that promise most, and each factor
takes a byte a dimension (Jégou et al. 2011; Johnson et al. 2019, "Billion-scale similarity search with GPUs"). Cells are made
for inner products: k-means runs on items lengthened by one coordinate to equal norm, which turns the largest inner
product into the smallest distance (Bachrach et al. 2014, "Speeding up the Xbox recommender system"); long and short items
then share no cell, and a million items need 200 cells looked into instead of 800. Items are added without a rebuild.

An approximate index loses items without a word, so the loss is measured when it is built: `probes` grows until the recall
against exact search, on requests drawn for the purpose, is what was asked for. An index that cannot reach it is refused.

Memory: items · (d + 8) bytes. Needs the extra `index` beyond `exact_items`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import numba
import numpy as np
from pydantic import Field

from shortlist.config.base import Settings
from shortlist.data.mapped import load_array
from shortlist.errors import BundleError, IndexRecallError, import_extra
from shortlist.retrieve.kernels.select import best_of, select

BLOCK = 256


class IndexConfig(Settings):
    exact_items: int = Field(100_000, ge=0)
    """The largest catalogue that is searched exactly (measured: benchmarks/RESULTS.md)."""
    recall: float = Field(0.98, gt=0, le=1)
    """The least share of the exact top `k` that the index must find; it is not built below."""
    k: int = Field(100, ge=1)
    cells: int | None = Field(None, ge=1)
    """How many cells; 4·√items without."""
    queries: int = Field(500, ge=10)
    """On how many requests the recall is measured."""
    seed: int = 0


class Index:
    """Items by inner product. `recall`: measured when built; 1.0 for an exact one."""

    def __init__(self, config: IndexConfig | None = None) -> None:
        self.config = config or IndexConfig()
        self.recall = 1.0
        self.probes = 0
        self._exact: np.ndarray | None = None
        self._cells: Any = None
        self._centroids = np.empty((0, 0), np.float32)
        """float32 (cells, d + 1), in the lengthened space."""
        self._halves = np.empty(0, np.float32)
        """Half of each centroid's squared norm."""
        self._longest = 0.0
        """The square of the longest item's norm when the cells were made."""

    def build(self, items: np.ndarray, requests: np.ndarray | None = None) -> Self:
        """Items float32 (items, d). requests float32 (Q, d): typical ones, to measure the recall with; without them,
        items stand in, which flatters nobody: they are spread like the catalogue.

        Raises `IndexRecallError` where the asked recall cannot be reached.
        """
        items = np.ascontiguousarray(items, np.float32)
        if len(items) <= self.config.exact_items:
            self._exact = items
            return self
        faiss: Any = import_extra("faiss", "index")
        n, d = items.shape
        cells = min(self.config.cells or int(4 * np.sqrt(n)), n)
        rng = np.random.default_rng(self.config.seed)
        squares = np.einsum("id,id->i", items, items)
        self._longest = float(squares.max(initial=0.0))
        sample = np.sort(rng.permutation(n)[: 50 * cells])
        means = faiss.Kmeans(d + 1, cells, niter=8, seed=self.config.seed + 1, min_points_per_centroid=1)
        means.train(self._lengthened(items[sample]))
        self._centroids = np.asarray(means.centroids, np.float32)
        quantizer = faiss.IndexFlatIP(d)
        quantizer.add(np.ascontiguousarray(self._centroids[:, :d]))
        self._cells = faiss.IndexIVFScalarQuantizer(
            quantizer, d, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        self._cells.own_fields = True
        quantizer.this.disown()
        self._cells.train(items[sample[:: max(1, len(sample) // 100_000)]])
        for start in range(0, n, 100_000):
            self.add(items[start : start + 100_000])
        if requests is None:
            requests = items[rng.permutation(n)[: self.config.queries]]
        self._measure(items, np.ascontiguousarray(requests[: self.config.queries], np.float32), cells)
        return self

    def _measure(self, items: np.ndarray, requests: np.ndarray, cells: int) -> None:
        """The fewest probes, by doubling and then halving the gap, that reach the asked recall."""
        k = min(self.config.k, len(items))
        exact = np.concatenate(
            [select(requests[s : s + 16] @ items.T, k)[0] for s in range(0, len(requests), 16)]
        )

        def recall(probes: int) -> float:
            self.probes = probes
            found = self._probe(requests, k)[0]
            return float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(exact, found, strict=True)]))

        low, high = 0, 1
        while (reached := recall(high)) < self.config.recall and high < cells:
            low, high = high, min(2 * high, cells)
        if reached < self.config.recall:
            raise IndexRecallError(
                f"the index finds {reached:.1%} of the exact top {k} even when it looks into all of its {cells} cells, "
                f"and {self.config.recall:.1%} is asked for: 8 bits are too coarse for these factors; raise "
                f"index.exact_items to search exactly, or lower index.recall",
                field="index.recall",
            )
        while high - low > max(1, high // 16):
            middle = (low + high) // 2
            low, high = (low, middle) if recall(middle) >= self.config.recall else (middle, high)
        self.recall, self.probes = recall(high), high

    def __len__(self) -> int:
        return len(self._exact) if self._exact is not None else int(self._cells.ntotal)

    @property
    def exact(self) -> bool:
        return self._exact is not None

    def add(self, items: np.ndarray) -> None:
        """Append items; their codes follow the last one's. Nothing is rebuilt."""
        items = np.ascontiguousarray(items, np.float32)
        if self._exact is not None:
            self._exact = np.concatenate([self._exact, items])
            return
        faiss: Any = import_extra("faiss", "index")
        tools: Any = import_extra("faiss.contrib.ivf_tools", "index")
        nearest = faiss.IndexFlatL2(self._centroids.shape[1])
        nearest.add(self._centroids)
        tools.add_preassigned(self._cells, items, nearest.search(self._lengthened(items), 1)[1].ravel())

    def _lengthened(self, items: np.ndarray) -> np.ndarray:
        """Items with one more coordinate, that makes all of them as long as the longest."""
        rest = np.sqrt(np.maximum(self._longest - np.einsum("id,id->i", items, items), 0))
        return np.ascontiguousarray(np.hstack([items, rest[:, None]]), np.float32)

    def _probe(self, requests: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Look into the cells whose centroids are nearest in the lengthened space, where a request's own is 0."""
        tools: Any = import_extra("faiss.contrib.ivf_tools", "index")
        inner = requests @ self._centroids[:, :-1].T
        if len(self._halves) != len(self._centroids):
            self._halves = 0.5 * np.einsum("cd,cd->c", self._centroids, self._centroids)
        n = min(self.probes, len(self._centroids))
        cells, near = np.empty((len(requests), n), np.int64), np.empty((len(requests), n), np.float32)
        _nearest_cells(inner, self._halves, cells, near)
        self._cells.nprobe = n
        scores, found = tools.search_preassigned(self._cells, requests, k, cells, near)
        return found.astype(np.int32), np.where(found >= 0, scores, -np.inf).astype(np.float32)

    def search(self, requests: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Items int32 (B, k), best first, −1 where there are fewer, and their inner products float32 (B, k)."""
        requests = np.ascontiguousarray(requests, np.float32)
        if self._exact is not None:
            parts = [
                select(requests[s : s + BLOCK] @ self._exact.T, k) for s in range(0, len(requests), BLOCK)
            ]
            return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        return self._probe(requests, min(k, len(self)))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        facts = {
            "recall": self.recall,
            "probes": self.probes,
            "longest": self._longest,
            "config": self.config.model_dump(),
        }
        if self._exact is not None:
            np.save(folder / "exact.npy", self._exact)
        else:
            faiss: Any = import_extra("faiss", "index")
            faiss.write_index(self._cells, str(folder / "cells.faiss"))
            np.save(folder / "centroids.npy", self._centroids)

        (folder / "index.json").write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises `BundleError` where the folder holds no index."""
        try:
            facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            index = cls(IndexConfig.model_validate(facts["config"]))
            index.recall, index.probes = float(facts["recall"]), int(facts["probes"])
            if (folder / "exact.npy").exists():
                index._exact = load_array(folder / "exact.npy")
            else:
                faiss: Any = import_extra("faiss", "index")
                index._cells = faiss.read_index(str(folder / "cells.faiss"))
                index._centroids = load_array(folder / "centroids.npy")
                index._longest = float(facts["longest"])
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            if isinstance(error, BundleError):
                raise
            raise BundleError(f"{folder}: the index cannot be read: {error}") from None
        return index


@numba.njit(cache=True, nogil=True)
def _nearest_cells(inner, halves, cells, near):  # type: ignore[no-untyped-def]
    """Each request's most promising cells into `cells` (B, n), and the inner product with their centroids into `near`."""
    every, promise = np.arange(len(halves)).astype(np.int32), np.empty(len(halves), np.float32)
    best, chosen = np.empty(cells.shape[1], np.float32), np.empty(cells.shape[1], np.int32)
    for row in range(len(inner)):
        for cell in range(len(halves)):
            promise[cell] = inner[row, cell] - halves[cell]
        best_of(promise, every, len(halves), best, chosen)
        for at in range(len(chosen)):
            cells[row, at], near[row, at] = chosen[at], inner[row, chosen[at]]
