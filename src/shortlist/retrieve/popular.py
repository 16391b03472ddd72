"""Popular: the items that most users took recently."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple, Self

import numba
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from shortlist.config.base import Duration, Settings, duration_ms
from shortlist.data.attributes import CategoryAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.log import Log
from shortlist.errors import ProjectError
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.kernels.decay import Decay, best_decay
from shortlist.retrieve.kernels.select import empty_lists
from shortlist.retrieve.requests import Candidates, Requests


class PopularConfig(Settings):
    """Settings of `Popular`."""

    half_life: Duration | Literal["auto"] | None = None
    """Age at which an event counts half, measured back from the newest event; a duration such as "30d". None: age does not
    matter. auto: the half-life, or where `window` is not set the window, that predicts later events of the training best (`best_decay`)."""
    window: Duration | None = None
    """Only events of this time before the newest event count; a duration such as "7d". None: all events count."""
    at_least: float | None = None
    """Of events with a value, only those with at least this value count: films that were liked, and not all that were rated."""
    by: str | None = None
    """A category attribute of users; popularity is then counted within each of its values."""
    prior: float = Field(200.0, ge=0)
    """Number of pseudo-events, distributed as those of all users, that each segment starts with; 0 or more."""


class _Ranking(NamedTuple):
    """Scores float32 and the items by falling score int32, (segments + 1, items) each."""

    scores: NDArray[np.float32]
    order: NDArray[np.int32]


class Popular(Retriever):
    """Recommend what many users took recently.

    The score of an item is the share of decayed events that fall on it,

        score(i) = c_i / Σ_j c_j,    c_i = Σ_{events of i} 2^(−age / half_life)

    where events older than `window` do not count, counted over all users, or over those of one segment where `by` names a user attribute.
    Items without an event in a window that `auto` has found come after all others, by how often they were taken. The counts of a segment are
    smoothed towards those of all users, c_i + prior · share_i, so that a segment of three users does not override the
    rest.

    It is the baseline that every other model has to beat, and the fallback for users without a history. It is not
    personal: do not use it as the only source where users have histories.

    Cost: one pass over the events to fit; memory (segments + 1) · items. A request walks the ranking until its list is
    full: some hundred steps, whatever the size of the catalogue.

    Parameters
    ----------
    config : PopularConfig
        See there for the settings.

    Attributes
    ----------
    counts_
        float32 (segments + 1, items): decayed counts; the last row counts all users.

    Examples
    --------
    >>> Popular(half_life="30d", by="country")
    Popular(half_life='30d', by='country')
    """

    Config = PopularConfig
    config: PopularConfig
    name = "popular"
    arrays: ClassVar = {"counts_": "counts"}

    counts_: NDArray[np.float32]
    _derived: _Ranking
    _found: Decay | None = None
    """The decay that the model it was refreshed from has found."""
    _decay: Decay | None = None
    """The decay of the last fit."""

    def _fit(self, dataset: Dataset) -> None:
        log, acted = dataset.log, self._counted(dataset.log)
        n_items = len(dataset.items)
        self._decay = decay = self.decay_on(log)
        weight = decay.weights(log.time[acted][-1:] - log.time[acted])
        overall = np.bincount(log.item[acted], weight, n_items)
        if self.config.by:
            attribute = dataset.users.attributes.get(self.config.by)
            if not isinstance(attribute, CategoryAttribute):
                raise ProjectError(
                    f"popular: by = {self.config.by!r} is no category attribute of users", field="by"
                )
            n_segments = len(attribute.vocabulary)
            segment = attribute.codes[log.user[acted]]
            known = segment >= 0
            flat = np.bincount(
                segment[known] * n_items + log.item[acted][known], weight[known], n_segments * n_items
            )
            self.counts_ = self.smoothed(flat.reshape(n_segments, n_items), overall)
            return
        self.counts_ = overall[None].astype(np.float32)

    def smoothed(self, segments: NDArray[np.number], overall: NDArray[np.number]) -> NDArray[np.float32]:
        """Return `counts_` of the decayed counts of each segment, (segments, items), and of all users, (items,)."""
        smoothing = overall / max(overall.sum(), 1e-12) * self.config.prior
        return np.concatenate([segments + smoothing, overall[None]]).astype(np.float32)

    def _counted(self, log: Log) -> NDArray[np.int64]:
        """Return the rows of the events that count."""
        counts = log.acted
        if self.config.at_least is not None:
            counts = counts & ~(log.value < self.config.at_least)
        return np.flatnonzero(counts)

    def decay_on(self, log: Log) -> Decay:
        """Return how much events count by age; `auto` is chosen on this log."""
        if self._found is not None:
            return self._found
        half_life, window = (
            None if setting in {None, "auto"} else float(duration_ms(setting))
            for setting in (self.config.half_life, self.config.window)
        )
        if self.config.half_life == "auto":
            rows = self._counted(log)
            if window is None:
                return best_decay(log.user[rows], log.item[rows], log.time[rows])
            rows = rows[log.time[rows][-1:] - log.time[rows] < window]
            found = best_decay(log.user[rows], log.item[rows], log.time[rows], windows=())
            return found._replace(window=window)
        return Decay(half_life, window)

    @override
    def refreshed(self, dataset: Dataset) -> Popular | None:
        return self.unfitted().fit(dataset)

    def unfitted(self) -> Popular:
        """Return a model that is not fitted, with the settings that this one has found."""
        twin = self.__sklearn_clone__()
        twin._found = self._decay  # noqa: SLF001 - its own instance; a model that was loaded has not searched
        return twin

    def of_counts(self, counts: NDArray[np.float32], decay: Decay) -> Self:
        """Use counts that were summed elsewhere, float32 (segments + 1, items), and the decay that they were weighed with."""
        self.counts_, self._decay = counts, decay
        return self._finish(counts.shape[1])

    def _prepare(self) -> None:
        """Rank the catalogue once for each segment; shares, so that segments of different size have scores of one scale."""
        shares = self.counts_ / np.maximum(self.counts_.sum(1, keepdims=True), 1e-12)
        scores = np.where(self.counts_ > 0, shares, -np.inf).astype(np.float32)
        self._derived = _Ranking(scores, np.argsort(-scores, axis=1, kind="stable").astype(np.int32))

    def segments(self, requests: Requests) -> NDArray[np.integer]:
        """Return the row of `counts_` that each request reads, int (B,)."""
        segment = np.full(len(requests), len(self.counts_) - 1)
        attribute = requests.attributes.get(self.config.by) if self.config.by else None
        if not isinstance(attribute, CategoryAttribute):
            return segment
        known = (attribute.codes >= 0) & (attribute.codes < len(self.counts_) - 1)
        return np.where(known, attribute.codes, segment)

    @override
    def score(self, requests: Requests) -> NDArray[np.float32]:
        segments = self.segments(requests)
        return np.asarray(self._derived.scores[segments])

    @override
    def retrieve(self, requests: Requests, k: int) -> Candidates:
        segments = self.segments(requests)
        found = empty_lists(len(requests), min(k, self.n_items_))
        _walk(self._derived, segments, *requests.filters(), *found)
        return Candidates(*found)

    @override
    def score_items(self, requests: Requests, items: NDArray[np.integer]) -> NDArray[np.float32]:
        segments = self.segments(requests)
        scores = np.full(items.shape, -np.inf, np.float32)
        _look_up(self._derived.scores, segments, np.ascontiguousarray(items, np.int32), scores)
        return scores

    @override
    def _saved_items(self, meta: object) -> int:
        return int(self.counts_.shape[1])


@numba.njit(cache=True, nogil=True)
def _look_up(
    ranking: NDArray[np.float32],
    segment: NDArray[np.integer],
    items: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    """Write the scores of given items, (B, m), those of the segment of each request; items that the model does not have keep theirs."""
    for row in range(len(items)):
        line = ranking[segment[row]]
        for at in range(items.shape[1]):
            if 0 <= items[row, at] < len(line):
                scores[row, at] = line[items[row, at]]


@numba.njit(cache=True, nogil=True)
def _walk(
    ranking: _Ranking,
    segment: NDArray[np.integer],
    allowed: NDArray[np.bool_],
    indptr: NDArray[np.int64],
    excluded: NDArray[np.int64],
    items: NDArray[np.int32],
    found: NDArray[np.float32],
) -> None:
    """Walk down the ranking of each request, past what its filters remove, until its list is full."""
    scores, order = ranking
    for row in range(len(segment)):
        line, n = order[segment[row]], 0
        if len(indptr):
            removed = np.sort(excluded[indptr[row] : indptr[row + 1]])
        else:
            removed = excluded
        for item in line:
            score = scores[segment[row], item]
            if n == items.shape[1] or score == -np.inf:
                break
            if len(allowed) and not allowed[item]:
                continue
            if len(removed):
                at = np.searchsorted(removed, item)
                if at < len(removed) and removed[at] == item:
                    continue
            items[row, n], found[row, n] = item, score
            n += 1
