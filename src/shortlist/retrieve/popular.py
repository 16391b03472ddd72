"""Popular: what many people took lately.

score(item) = Σ over events 2^(−age / half-life), counted over everybody, or over people like this one where `by` names
a user attribute. A segment of few events is drawn towards everybody: (count + prior · share of everybody) so that a
segment of three people does not overrule the crowd. The baseline that every other model has to beat, and the
fallback for people of whom nothing is known.

Time and memory: one pass over the events; items × segments numbers.
"""

from __future__ import annotations

from typing import Self

import numba
import numpy as np
from pydantic import Field

from shortlist.config.base import Duration, Settings, duration_ms
from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError
from shortlist.retrieve.base import Candidates, Requests, Retriever
from shortlist.retrieve.kernels.select import limits, no_candidates


class PopularConfig(Settings):
    half_life: Duration | None = None
    """After this long an event counts half, measured back from the newest event. Without one, age does not matter."""
    by: str | None = None
    """A category attribute of users; popularity is then counted within each of its values."""
    prior: float = Field(200.0, ge=0)
    """How many imagined events, spread like everybody's, each segment starts with."""


class Popular(Retriever):
    Config = PopularConfig
    name = "popular"
    arrays = ("counts",)

    counts: np.ndarray
    """float32 (segments + 1, items); the last row is everybody."""

    def fit(self, dataset: Dataset) -> Self:
        log = dataset.log
        acted = np.flatnonzero(log.acted)
        weight = np.ones(len(acted))
        if self.config.half_life and len(acted):
            weight = np.exp2((log.time[acted] - log.time[acted][-1]) / duration_ms(self.config.half_life))
        n_items, n_segments = len(dataset.items), 0
        everybody = np.bincount(log.item[acted], weight, n_items)
        rows = [everybody]
        if self.config.by:
            attribute = dataset.users.attributes.get(self.config.by)
            if attribute is None or attribute.kind != "category":
                raise ProjectError(
                    f"popular: by = {self.config.by!r} is no category attribute of users", field="by"
                )
            n_segments = len(attribute.vocabulary)
            segment = attribute.codes[log.user[acted]]
            known = segment >= 0
            flat = np.bincount(
                segment[known] * n_items + log.item[acted][known], weight[known], n_segments * n_items
            )
            shared = everybody / max(everybody.sum(), 1e-12) * self.config.prior
            rows = [*(flat.reshape(n_segments, n_items) + shared), everybody]
        self.counts = np.stack(rows).astype(np.float32)
        return self

    def segments(self, requests: Requests) -> np.ndarray:
        """Whose popularity each request asks for, int (B,): a row of `counts`."""
        segment = np.full(len(requests), len(self.counts) - 1)
        attribute = requests.attributes.get(self.config.by) if self.config.by else None
        if attribute is None:
            return segment
        known = (attribute.codes >= 0) & (attribute.codes < len(self.counts) - 1)
        return np.where(known, attribute.codes, segment)

    def _ranking(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores float32 and order int32, (segments + 1, items) each: nobody's request changes them, so they are made once
        for a catalogue. Shares rather than counts, so that segments of different size give scores of one scale.
        """
        if self._ranked is None or self._ranked[2] is not self.counts:
            shares = self.counts / np.maximum(self.counts.sum(1, keepdims=True), 1e-12)
            scores = np.where(self.counts > 0, shares, -np.inf).astype(np.float32)
            self._ranked = scores, np.argsort(-scores, axis=1, kind="stable").astype(np.int32), self.counts
        return self._ranked[:2]

    _ranked: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def score(self, requests: Requests) -> np.ndarray:
        return self._ranking()[0][self.segments(requests)]

    def retrieve(self, requests: Requests, k: int) -> Candidates:
        scores, order = self._ranking()
        found = no_candidates(len(requests), min(k, scores.shape[1]))
        filters = limits(requests.allowed, requests.excluded_indptr, requests.excluded)
        _walk(order, scores, self.segments(requests), *filters, *found)
        return Candidates(*found)

    def score_items(self, requests: Requests, items: np.ndarray) -> np.ndarray:
        scores = self._ranking()[0][self.segments(requests)[:, None], np.maximum(items, 0)]
        return np.where(items >= 0, scores, np.float32(-np.inf))

    def add_items(self, dataset: Dataset) -> None:
        new = len(dataset.items) - self.counts.shape[1]
        self.counts = np.pad(self.counts, ((0, 0), (0, new)))


@numba.njit(cache=True, nogil=True)
def _walk(order, scores, segment, allowed, indptr, excluded, items, found):  # type: ignore[no-untyped-def]
    """Down each request's ranking, past what is not permitted, until its list is full: some hundred steps, not the catalogue."""
    for row in range(len(segment)):
        line, n = order[segment[row]], 0
        if len(indptr):
            gone = np.sort(excluded[indptr[row] : indptr[row + 1]])
        else:
            gone = excluded
        for item in line:
            score = scores[segment[row], item]
            if n == items.shape[1] or score == -np.inf:
                break
            if len(allowed) and not allowed[item]:
                continue
            if len(gone):
                at = np.searchsorted(gone, item)
                if at < len(gone) and gone[at] == item:
                    continue
            items[row, n], found[row, n] = item, score
            n += 1
