"""Index: the items whose factors have the largest inner product with that of a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import numba
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shortlist.config.base import Settings
from shortlist.data.mapped import load_array
from shortlist.errors import BundleError, IndexRecallError, import_extra
from shortlist.retrieve.kernels.select import radix_top_k, top_k_rows
from shortlist.threads import apply_thread_limit

Found = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Items (B, k), −1 where there are fewer, and their inner products (B, k)."""

BLOCK = 256
"""Number of requests whose products with all items are computed at once."""


class IndexConfig(Settings):
    """Settings of `Index`."""

    exact_items: int = Field(100_000, ge=0)
    """The largest catalogue that is searched exactly (measured: benchmarks/RESULTS.md)."""
    recall: float = Field(0.98, gt=0, le=1)
    """The least share of the exact top `k` that the index must find, above 0 to 1; it is not built below."""
    k: int = Field(100, ge=1)
    """Length of the list on which the recall is measured, 1 or more."""
    cells: int | None = Field(None, ge=1)
    """Number of cells, 1 or more. None: 4·√items."""
    queries: int = Field(500, ge=10)
    """Number of requests on which the recall is measured, 10 or more."""
    seed: int = 0
    """Seed of the samples and of k-means."""


class Index:
    """Maximum inner product search.

    Up to `exact_items` items, the product with every item is computed: one pass over the factors, exact, nothing to
    build. Beyond, faiss IVF with 8-bit codes: items are put into cells by k-means, a request searches the most promising
    cells, and each factor takes a byte a dimension. Cells are made for inner products: k-means runs on items extended by
    one coordinate to equal norm, which turns the largest inner product into the smallest distance. Long and short items then
    share no cell, and for a million items 200 cells are searched instead of 800.

    An approximate index loses items silently, so the loss is measured when it is built: the number of searched cells grows
    until the recall against exact search reaches the configured one. An index that cannot reach it is refused.

    Cost: items · (d + 8) bytes. Needs the extra `index` beyond `exact_items`.

    Attributes
    ----------
    recall : float
        Measured when the index was built; 1.0 for an exact one.
    probes : int
        Number of cells that a request searches.

    References
    ----------
    Jégou, Douze & Schmid 2011, "Product quantization for nearest neighbor search".
    Johnson, Douze & Jégou 2019, "Billion-scale similarity search with GPUs" (faiss).
    Bachrach et al. 2014, "Speeding up the Xbox recommender system using a Euclidean transformation".
    """

    def __init__(self, config: IndexConfig | None = None) -> None:
        self.config = config or IndexConfig()
        self.recall = 1.0
        self.probes = 0
        self._exact: NDArray[np.float32] | None = None
        self._cells: Any = None
        self._centroids = np.empty((0, 0), np.float32)
        """float32 (cells, d + 1), in the extended space."""
        self._half_norms = np.empty(0, np.float32)
        """Half of the squared norm of each centroid."""
        self._longest = 0.0
        """The squared norm of the longest item when the cells were made."""

    def build(self, items: NDArray[np.float32], requests: NDArray[np.float32] | None = None) -> Self:
        """Build the index.

        Parameters
        ----------
        items
            float32 (items, d).
        requests
            float32 (Q, d): typical requests, on which the recall is measured (default: a sample of the items, which are
            distributed like the catalogue).

        Raises
        ------
        IndexRecallError
            Where the configured recall cannot be reached.
        """
        items = np.ascontiguousarray(items, np.float32)
        if len(items) <= self.config.exact_items:
            self._exact = items
            return self
        faiss: Any = import_extra("faiss", "index")
        apply_thread_limit()
        n, d = items.shape
        cells = min(self.config.cells or int(4 * np.sqrt(n)), n)
        rng = np.random.default_rng(self.config.seed)
        squares = np.einsum("id,id->i", items, items)
        self._longest = float(squares.max(initial=0.0))
        sample = np.sort(rng.permutation(n)[: 50 * cells])
        means = faiss.Kmeans(d + 1, cells, niter=8, seed=self.config.seed + 1, min_points_per_centroid=1)
        means.train(self._extended(items[sample]))
        self._set_centroids(np.asarray(means.centroids, np.float32))
        quantizer = faiss.IndexFlatIP(d)
        quantizer.add(np.ascontiguousarray(self._centroids[:, :d]))
        self._cells = faiss.IndexIVFScalarQuantizer(
            quantizer, d, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        self._cells.own_fields = True
        quantizer.this.disown()
        self._cells.train(items[sample[:: max(1, len(sample) // 100_000)]])
        for start in range(0, n, 100_000):
            self._add(items[start : start + 100_000])
        if requests is None:
            requests = items[rng.permutation(n)[: self.config.queries]]
        self._measure(items, np.ascontiguousarray(requests[: self.config.queries], np.float32), cells)
        return self

    def _measure(self, items: NDArray[np.float32], requests: NDArray[np.float32], cells: int) -> None:
        """Find the smallest number of probes that reaches the configured recall, by doubling and then bisection."""
        k = min(self.config.k, len(items))
        exact = np.concatenate(
            [top_k_rows(requests[s : s + 16] @ items.T, k)[0] for s in range(0, len(requests), 16)]
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
                f"the index finds {reached:.1%} of the exact top {k} even when it searches all of its {cells} cells, and "
                f"{self.config.recall:.1%} is required: 8 bits are too coarse for these factors; raise exact_items to search "
                f"exactly, or lower recall",
                field="recall",
            )
        while high - low > max(1, high // 16):
            middle = (low + high) // 2
            low, high = (low, middle) if recall(middle) >= self.config.recall else (middle, high)
        self.recall, self.probes = recall(high), high

    def __len__(self) -> int:
        return len(self._exact) if self._exact is not None else int(self._cells.ntotal)

    @property
    def exact(self) -> bool:
        """Whether every item is searched."""
        return self._exact is not None

    def _add(self, items: NDArray[np.float32]) -> None:
        """Append items to the cells whose centroids are nearest in the extended space."""
        faiss: Any = import_extra("faiss", "index")
        tools: Any = import_extra("faiss.contrib.ivf_tools", "index")
        nearest = faiss.IndexFlatL2(self._centroids.shape[1])
        nearest.add(self._centroids)
        tools.add_preassigned(self._cells, items, nearest.search(self._extended(items), 1)[1].ravel())

    def _set_centroids(self, centroids: NDArray[np.float32]) -> None:
        self._centroids = centroids
        self._half_norms = 0.5 * np.einsum("cd,cd->c", centroids, centroids)

    def _extended(self, items: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the items with one more coordinate, which makes all of them as long as the longest."""
        rest = np.sqrt(np.maximum(self._longest - np.einsum("id,id->i", items, items), 0))
        return np.ascontiguousarray(np.hstack([items, rest[:, None]]), np.float32)

    def _probe(self, requests: NDArray[np.float32], k: int) -> Found:
        """Search the cells whose centroids are nearest in the extended space, where the extra coordinate of a request is 0."""
        tools: Any = import_extra("faiss.contrib.ivf_tools", "index")
        inner = requests @ self._centroids[:, :-1].T
        n = min(self.probes, len(self._centroids))
        cells, near = np.empty((len(requests), n), np.int64), np.empty((len(requests), n), np.float32)
        _nearest_cells(inner, self._half_norms, cells, near)
        if self._cells.nprobe != n:  # only while the recall is measured
            self._cells.nprobe = n
        scores, found = tools.search_preassigned(self._cells, requests, k, cells, near)
        return found.astype(np.int32), np.where(found >= 0, scores, -np.inf).astype(np.float32)

    def search(self, requests: NDArray[np.float32], k: int) -> Found:
        """Return the best items of each request, best first.

        Parameters
        ----------
        requests
            float32 (B, d).
        """
        requests = np.ascontiguousarray(requests, np.float32)
        if self._exact is not None:
            parts = [
                top_k_rows(requests[s : s + BLOCK] @ self._exact.T, k) for s in range(0, len(requests), BLOCK)
            ]
            return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        return self._probe(requests, min(k, len(self)))

    def __repr__(self) -> str:
        built = self._exact is not None or self._cells is not None
        return f"Index({len(self) if built else 0} items, recall={self.recall:.3f}, probes={self.probes})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of a copy: the cells in the format of faiss."""
        state = self.__dict__.copy()
        if self._cells is not None:
            faiss: Any = import_extra("faiss", "index")
            state["_cells"] = faiss.serialize_index(self._cells)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._cells is not None:
            faiss: Any = import_extra("faiss", "index")
            self._cells = faiss.deserialize_index(state["_cells"])
            self._cells.nprobe = min(self.probes, len(self._centroids))

    def save(self, folder: Path) -> None:
        """Write the index into a folder."""
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
        """Read an index; raises `BundleError` where the folder holds none."""
        try:
            facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            index = cls(IndexConfig.model_validate(facts["config"]))
            index.recall, index.probes = float(facts["recall"]), int(facts["probes"])
            if (folder / "exact.npy").exists():
                index._exact = load_array(folder / "exact.npy")
            else:
                faiss: Any = import_extra("faiss", "index")
                index._cells = faiss.read_index(str(folder / "cells.faiss"))
                index._set_centroids(load_array(folder / "centroids.npy"))
                index._cells.nprobe = min(index.probes, len(index._centroids))
                index._longest = float(facts["longest"])
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            if isinstance(error, BundleError):
                raise
            raise BundleError(f"{folder}: the index cannot be read: {error}") from None
        return index


@numba.njit(cache=True, nogil=True)
def _nearest_cells(
    inner: NDArray[np.float32],
    half_norms: NDArray[np.float32],
    cells: NDArray[np.int64],
    near: NDArray[np.float32],
) -> None:
    """Write the most promising cells of each request (B, n), and its inner products with their centroids."""
    every, promise = np.arange(len(half_norms)).astype(np.int32), np.empty(len(half_norms), np.float32)
    best, chosen = np.empty(cells.shape[1], np.float32), np.empty(cells.shape[1], np.int32)
    for row in range(len(inner)):
        for cell in range(len(half_norms)):
            promise[cell] = inner[row, cell] - half_norms[cell]
        radix_top_k(promise, every, len(half_norms), best, chosen)
        for at in range(len(chosen)):
            cells[row, at], near[row, at] = chosen[at], inner[row, chosen[at]]
