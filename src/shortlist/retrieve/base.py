"""What every retriever shares: the request it takes, the candidates it gives, and the choice of the best k.

A model here is a function of a history, not of a user id. A known user, a visitor with two clicks, and a batch of a
million histories all arrive as `Requests`; nothing waits for a training run to learn who somebody is.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numba
import numpy as np
import scipy.sparse as sp

from shortlist.config.base import Settings
from shortlist.config.retrieve import RetrieveSettings
from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.data.log import Log
from shortlist.data.mapped import load_arrays, save_arrays, release_pages
from shortlist.errors import BundleError
from shortlist.retrieve.kernels.select import select


@dataclass(frozen=True)
class Requests:
    """B requests.

    `histories`: what each person did, oldest first. `weights` float32 (E,): how much each of those events counts.
    `moments` int64 ms (B,): when each request is made. `allowed` bool (items,) or None: what the rules permit, for the
    whole batch. `excluded`: per request, ragged item codes that must not come back (seen, blocked).
    `attributes`: what is known of the people, each an attribute of B rows.
    """

    histories: Histories
    weights: np.ndarray
    moments: np.ndarray
    allowed: np.ndarray | None = None
    excluded_indptr: np.ndarray | None = None
    excluded: np.ndarray | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict)
    _sums: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)
    _folded: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return len(self.histories)

    def sums(self, n_items: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The histories as sparse rows of summed weights: indptr int64 (B+1,), items int32, weights float32. Computed
        once for all the models that ask; not to be written to.
        """
        if n_items not in self._sums:
            h = self.histories
            indptr, items, weights = (
                np.zeros(len(h) + 1, np.int64),
                np.empty_like(h.item),
                np.empty_like(self.weights),
            )
            size = _sum_rows(h.indptr, h.item, self.weights, n_items, indptr, items, weights)
            self._sums[n_items] = indptr, items[:size], weights[:size]
        return self._sums[n_items]

    def folded(self, items: np.ndarray, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The histories' factors beside some items' factors, made once however often they are asked for; not to be written to."""
        for known, factors in self._folded:
            if known is items:
                return factors
        factors = make()
        self._folded.append((items, factors))
        return factors

    def matrix(self, n_items: int) -> sp.csr_matrix:
        """The histories as a sparse (B, items) matrix of summed weights."""
        indptr, items, weights = self.sums(n_items)
        return sp.csr_matrix((weights.copy(), items, indptr), shape=(len(self), n_items))

    def weighed(self, weights: np.ndarray) -> Requests:
        """The same requests with other weights of their events."""
        return replace(self, weights=weights, _sums={}, _folded=[])

    @classmethod
    def of_users(cls, dataset: Dataset, users: np.ndarray, moments: np.ndarray) -> Requests:
        """What these people (codes, −1: nobody we know) ask with all that the data set holds of them, which must not come
        back. moments int64 ms (B,).
        """
        h = dataset.histories
        known = users >= 0
        safe = np.where(known, users, 0)
        own = h.pick(h.indptr[safe], np.where(known, h.indptr[safe + 1], h.indptr[safe]))
        return cls(own, event_weights(dataset, own), moments, None, own.indptr, own.item)

    def rows(self, start: int, end: int) -> Requests:
        """Some of the requests, in their order."""
        h = self.histories
        low, high = int(h.indptr[start]), int(h.indptr[end])
        part = Histories(
            h.indptr[start : end + 1] - low,
            h.item[low:high],
            h.time[low:high],
            h.kind[low:high],
            h.value[low:high],
        )
        indptr, excluded = self.excluded_indptr, self.excluded
        if indptr is not None and excluded is not None:
            excluded, indptr = excluded[indptr[start] : indptr[end]], indptr[start : end + 1] - indptr[start]
        attributes = {name: a.take(np.arange(start, end)) for name, a in self.attributes.items()}
        return Requests(
            part, self.weights[low:high], self.moments[start:end], self.allowed, indptr, excluded, attributes
        )


@numba.njit(cache=True, nogil=True)
def _sum_rows(begin, item, weight, n_items, indptr, items, weights):  # type: ignore[no-untyped-def]
    """Each history's items in order, each once, with the sum of its weights; how many there are."""
    n = 0
    for row in range(len(begin) - 1):
        low, high = begin[row], begin[row + 1]
        order = np.argsort(item[low:high], kind="mergesort")
        first = n
        for at in order:
            one = item[low + at]
            if one >= n_items:
                continue
            if n > first and items[n - 1] == one:
                weights[n - 1] += weight[low + at]
            else:
                items[n], weights[n] = one, weight[low + at]
                n += 1
        indptr[row + 1] = n
    return n


@dataclass(frozen=True)
class Candidates:
    """The best items for each request, best first: item int32 (B, k), −1 where there are fewer; score float32 (B, k)."""

    item: np.ndarray
    score: np.ndarray


def best(scores: np.ndarray, requests: Requests, k: int) -> Candidates:
    """The k highest scores of each row among the items the request permits.

    scores float32 (B, items); −inf means "not proposed". Filters act here, before the cut, so a strict filter still
    fills the list. Ties go to the lower code, so that results repeat. O(B × items).
    """
    return Candidates(*select(scores, k, requests.allowed, requests.excluded_indptr, requests.excluded))


class Retriever(ABC):
    """A source of candidates. `fit` learns from a data set; `score` and `retrieve` answer requests.

    A subclass sets `Config`, implements `fit` and `score`, and names in `arrays` what it has learnt, which is all that
    a bundle keeps of it.
    """

    Config: ClassVar[type[Settings]] = Settings
    name: ClassVar[str]
    arrays: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Any = None, **settings: Any) -> None:
        self.config: Any = config if config is not None else self.Config(**settings)

    @abstractmethod
    def fit(self, dataset: Dataset) -> Self:
        """Learn from every event of the data set (impressions aside)."""

    @abstractmethod
    def score(self, requests: Requests) -> np.ndarray:
        """float32 (B, items): higher is better, −inf where the model has nothing to say. Filters are not applied."""

    def retrieve(self, requests: Requests, k: int) -> Candidates:
        """The best k items of each request that its filters permit."""
        return best(self.score(requests), requests, k)

    def score_items(self, requests: Requests, items: np.ndarray) -> np.ndarray:
        """float32 (B, m): the scores of some items for each request, int (B, m), −1 for none; −inf where the model has
        nothing to say. Filters are not applied.
        """
        scores = np.take_along_axis(self.score(requests), np.maximum(items, 0), axis=1)
        return np.where(items >= 0, scores, -np.inf).astype(np.float32)

    def similar(self, item: int) -> np.ndarray | None:
        """float32 (items,): how alike each item is to this one, or None where the model knows no likeness."""
        return None

    def explain(self, requests: Requests, row: int, items: np.ndarray) -> np.ndarray | None:
        """float32 (items, events of that history): how much each event spoke for each item; None where the model
        does not work that way.
        """
        return None

    def strongest(self, requests: Requests, owner: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Which event spoke most strongly for some items: int64 (m,), rows of the requests' histories, −1 where none did.

        owner int (m,), rising: the request that each item is for.
        """
        found = np.full(len(items), -1, np.int64)
        for row in np.unique(owner).tolist():
            mine = np.flatnonzero(owner == row)
            shares = self.explain(requests, row, items[mine])
            if shares is not None and shares.shape[1]:
                best = shares.argmax(1)
                spoke = shares[np.arange(len(mine)), best] > 0
                found[mine[spoke]] = requests.histories.indptr[row] + best[spoke]
        return found

    def add_items(self, dataset: Dataset) -> None:  # noqa: B027
        """Take in the items that were appended to the catalogue, where the model can without refitting."""

    def warm_start(self, earlier: Retriever, rows: np.ndarray) -> Self:
        """Let the next fit begin from an earlier model of this kind, where the model can: rows int (items,), where each
        item was in the earlier catalogue, −1 for new ones. Models that are solved directly have nothing to gain.
        """
        return self

    def save(self, folder: Path) -> None:
        """Arrays as they are and the config as JSON; never code."""
        save_arrays(folder / "arrays", _flatten({name: getattr(self, name) for name in self.arrays}))
        meta = {"model": self.name, "config": self.config.model_dump()}
        (folder / "model.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises `BundleError` where the folder does not hold this model."""
        meta = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if meta["model"] != cls.name:
            raise BundleError(f"{folder} holds a {meta['model']} model, not {cls.name}")
        model = cls(cls.Config.model_validate(meta["config"]))
        arrays = load_arrays(folder / "arrays")
        for name in cls.arrays:
            setattr(model, name, _restore(name, arrays))
        return model


def _flatten(learnt: dict[str, Any]) -> dict[str, Any]:
    """Sparse matrices as their three arrays and shape, dense ones as they are."""
    flat: dict[str, np.ndarray] = {}
    for name, value in learnt.items():
        if sp.issparse(value):
            parts = {
                "data": value.data,
                "indices": value.indices,
                "indptr": value.indptr,
                "shape": np.array(value.shape),
            }
            flat |= {f"{name}.{part}": array for part, array in parts.items()}
        else:
            flat[name] = value
    return flat


def _restore(name: str, arrays: Any) -> Any:
    if f"{name}.data" not in arrays:
        return arrays[name]
    parts = (arrays[f"{name}.data"], arrays[f"{name}.indices"], arrays[f"{name}.indptr"])
    matrix = sp.csr_matrix(parts, shape=tuple(arrays[f"{name}.shape"]))
    matrix.check_format(full_check=True)  # kernels follow the indices without a further look
    release_pages(parts[1])
    return matrix


def interactions(dataset: Dataset) -> sp.csr_matrix:
    """The (users, items) matrix of summed event weights, float32; the common diet of item-based models."""
    h = dataset.histories
    weights = event_weights(dataset, h)
    matrix = sp.csr_matrix(
        (weights, (h.owner, h.item)), shape=(len(dataset.users), len(dataset.items)), dtype=np.float32
    )
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def event_weights(dataset: Dataset, histories: Histories) -> np.ndarray:
    """How much each event of some histories counts, by the project's `retrieve.weights` and `values`, float32 (E,)."""
    return EventWeights.of(dataset.project.retrieve, dataset.log)(histories)


@dataclass(frozen=True)
class EventWeights:
    """How much an event counts. Per kind code: `kind` float32, its weight; `exponent` float32, how strongly its value
    matters; `usual` float32, the mean value of such events.
    """

    kind: np.ndarray
    exponent: np.ndarray
    usual: np.ndarray

    @classmethod
    def of(cls, settings: RetrieveSettings, log: Log) -> EventWeights:
        kinds = log.kinds or [""]
        usual = np.ones(len(kinds), np.float32)
        for code, name in enumerate(kinds):
            if settings.values.get(name):
                values = log.value[log.kind == code]
                values = values[np.isfinite(values)]
                usual[code] = values.mean() if len(values) and values.mean() > 0 else 1.0
        return cls(
            np.array([settings.weights.get(name, 1.0) for name in kinds], np.float32),
            np.array([settings.values.get(name, 0.0) for name in kinds], np.float32),
            usual,
        )

    def __call__(self, histories: Histories) -> np.ndarray:
        """float32 (E,), never negative."""
        weights = self.kind[histories.kind]
        if self.exponent.any():
            share = np.maximum(histories.value, 0) / self.usual[histories.kind]
            share = np.where(np.isfinite(share), share, 1.0) ** self.exponent[histories.kind]
            weights = (weights * share).astype(np.float32)
        return weights
