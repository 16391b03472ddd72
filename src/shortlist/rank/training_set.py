"""Examples: the rows a ranker learns from, as of moments of the past.

From candidates, a request is a moment at which a person was about to act; its rows are the retrievers' own proposals,
labelled by what followed. Candidates nobody took are sampled, and weighted to stand for all of them, so that
predictions stay calibrated. From impressions, a request is a slate that was shown and its rows are the shown items,
with position. The retrievers given here must have been fitted on what came before: a `LeakError` says when not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.config.base import IMPRESSION
from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.data.histories import as_of
from shortlist.data.progress import Progress, silent
from shortlist.engines import make_engine
from shortlist.errors import DataError, LeakError
from shortlist.features.feature_set import FeatureSet
from shortlist.features.keys import RequestKeys
from shortlist.features.rows import FeatureRows
from shortlist.rank.censoring import share_arrived
from shortlist.rank.labels import labels, outcomes
from shortlist.rank.propensity import Examination
from shortlist.retrieve import EventWeights, Requests, Retriever
from shortlist.retrieve.fusion.blend import Blended, blend

BATCH = 512


@dataclass(frozen=True)
class TrainingSet:
    """`matrix` float32 (rows, features), `labels` objective → float32 (rows,), `weights` float32 (rows,), `request`
    int64 (rows,), rows of a request side by side. `arrived`: objective → the share of its outcomes that had come by the end
    of what was known; `examined` float64 (rows,): how much the slot is looked at, as a share of the top one.
    """

    matrix: np.ndarray
    labels: dict[str, np.ndarray]
    weights: np.ndarray
    request: np.ndarray
    names: list[str]
    types: list[str]
    arrived: dict[str, np.ndarray]
    examined: np.ndarray


@dataclass(frozen=True)
class Moments:
    """Requests of the past: users int32 (R,), moments int64 ms (R,), and with impressions their rows of the log."""

    users: np.ndarray
    moments: np.ndarray
    shown: list[np.ndarray] | None = None


def make_training_set(
    dataset: Dataset,
    retrievers: dict[str, Retriever],
    features: FeatureSet,
    start: int,
    end: int,
    fitted_until: int,
    progress: Progress = silent,
    curve: Examination | None = None,
) -> TrainingSet:
    """Examples from requests in start ≤ time < end (ms). `dataset` reaches to `end`; what came before a request is its
    history, what came after it its label. curve: how much each slot is looked at. Raises `LeakError` where the
    retrievers saw the window.
    """
    if fitted_until > start:
        raise LeakError(
            "the retrievers were fitted on events of the ranker's window: their scores would know the answers; "
            f"fit them on what happened before {np.datetime64(start, 'ms')}"
        )
    settings = dataset.project.rank
    shown = settings.examples == "impressions"
    if (
        shown
        and not (
            dataset.log.is_kind([IMPRESSION]) & (dataset.log.time >= start) & (dataset.log.time < end)
        ).any()
    ):
        raise DataError(
            'rank.examples = "impressions", but the log has none in the ranker\'s window',
            field="rank.examples",
        )
    rng = np.random.default_rng(dataset.project.seed)
    asked = _slates(dataset, start, end, rng) if shown else _acts(dataset, start, end, rng)
    if not len(asked.users):
        raise DataError(
            "no request falls into the ranker's window; make evaluate.ranker_window larger",
            field="evaluate.ranker_window",
        )
    rows, weights = _rows(dataset, retrievers, asked, rng, progress)
    matrix = features.offline_matrix(
        rows, dataset, lambda share: progress("features", share), make_engine(dataset.project.data.engine)
    )
    users, moments = rows.users[rows.request], rows.moments[rows.request]
    targets, arrived = {}, {}
    for name, objective in dataset.project.objectives.items():
        followed = outcomes(dataset.log, objective, users, rows.item, moments - 1)
        targets[name] = followed.label
        elapsed = np.minimum(end - moments, objective.window_ms)
        came = followed.delay >= 0
        arrived[name] = share_arrived(followed.delay[came], elapsed[came], elapsed)
    examined = np.ones(len(moments))
    if shown and settings.position_bias == "weights" and rows.position is not None:
        examined = curve.at(rows.position) if curve is not None else examined
    return TrainingSet(
        matrix,
        targets,
        weights,
        rows.request,
        features.names(rows.sources),
        features.types(rows.sources),
        arrived,
        examined,
    )


def _slates(dataset: Dataset, start: int, end: int, rng: np.random.Generator) -> Moments:
    """One request a shown slate: impressions of one user and slate (or, without slate ids, one instant)."""
    log = dataset.log
    low, high = np.searchsorted(log.time, [start, end])
    rows = low + np.flatnonzero(log.is_kind([IMPRESSION])[low:high])
    group = np.where(log.slate[rows] >= 0, log.slate[rows].astype(np.int64), -log.time[rows])
    order = np.lexsort([rows, group, log.user[rows]])
    rows, group = rows[order], group[order]
    edge = np.flatnonzero(np.concatenate([[True], (np.diff(group) != 0) | (np.diff(log.user[rows]) != 0)]))
    parts = np.split(rows, edge[1:])
    budget = dataset.project.rank.max_rows
    if len(rows) > budget:
        kept = rng.permutation(len(parts))[: max(1, int(len(parts) * budget / len(rows)))]
        parts = [parts[i] for i in np.sort(kept)]
    first = np.array([part[0] for part in parts], np.int64)
    return Moments(log.user[first], log.time[first], parts)


def _acts(dataset: Dataset, start: int, end: int, rng: np.random.Generator) -> Moments:
    """A few moments of each person in the window: just before the first act, and before some later ones at random."""
    log = dataset.log
    low, high = np.searchsorted(log.time, [start, end])
    rows = low + np.flatnonzero(log.acted[low:high])
    key = rng.random(len(rows))
    first = np.unique(log.user[rows], return_index=True)[1]
    key[first] = -1.0  # a person's first moment is always taken: it is how a new person looks
    order = np.lexsort([key, log.user[rows]])
    owner = log.user[rows][order]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    chosen = np.sort(rows[order[place < dataset.project.rank.requests_per_user]])
    per_request = dataset.project.rank.negatives + 10
    if len(chosen) * per_request > dataset.project.rank.max_rows:
        chosen = np.sort(rng.permutation(chosen)[: max(1, dataset.project.rank.max_rows // per_request)])
    pairs = np.unique(np.stack([log.time[chosen], log.user[chosen].astype(np.int64)]), axis=1)
    return Moments(pairs[1].astype(np.int32), pairs[0])


def past_requests(dataset: Dataset, users: np.ndarray, moments: np.ndarray, exclude_seen: bool) -> Requests:
    """The requests these people would have made at these moments: histories as of then."""
    recent_only = None if exclude_seen else dataset.project.retrieve.history
    whole = as_of(dataset.histories, users, moments, recent_only)
    recent = whole.last(dataset.project.retrieve.history)
    attributes = {name: a.take(users) for name, a in dataset.users.attributes.items()}
    indptr, seen = None, None
    if exclude_seen:
        had = whole.only(dataset.once(whole.item))
        indptr, seen = had.indptr, had.item
    weights = EventWeights.of(dataset.project.retrieve, dataset.log)(recent)
    return Requests(recent, weights, moments, None, indptr, seen, attributes)


def _rows(
    dataset: Dataset,
    retrievers: dict[str, Retriever],
    asked: Moments,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[FeatureRows, np.ndarray]:
    log, project = dataset.log, dataset.project
    k = project.retrieve.candidates
    n = len(asked.users)
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, n, BATCH):
        end = min(start + BATCH, n)
        users, moments = asked.users[start:end], asked.moments[start:end]
        requests = past_requests(dataset, users, moments, exclude_seen=not project.rerank.show_seen)
        if asked.shown is not None:
            shown = _unseen(log.item, asked.shown[start:end], requests)
            must = [np.unique(log.item[part]) for part in shown]
            blended = blend(retrievers, requests, k, must)
            for at, part in enumerate(shown):
                items, where = np.unique(log.item[part], return_index=True)
                position = log.position[part][where]
                found = _find(blended.item[at], items)
                if project.rank.unshown:
                    parts.append(_not_shown(blended, at, start + at, items, project.rank.unshown, rng))
                parts.append(_part(blended, at, start + at, found, np.ones(len(found)), position))
        else:
            blended = blend(retrievers, requests, k)
            parts += _sampled(dataset, blended, users, moments, start, rng)
        progress("candidates", end / n)
    request, item, ranks, scores, weights, position = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    requests = past_requests(dataset, asked.users, asked.moments, exclude_seen=False)
    rows = FeatureRows(
        RequestKeys(asked.users, _context(dataset, asked), requests.attributes),
        asked.moments,
        requests.histories,
        request,
        item.astype(np.int32),
        list(retrievers),
        ranks,
        scores,
        np.maximum(position, 0).astype(np.float32),
    )
    return rows, weights.astype(np.float32)


def _unseen(item: np.ndarray, shown: list[np.ndarray], requests: Requests) -> list[np.ndarray]:
    """Rows of slates without what the person had already, which a request never asks about: an older engine that showed it again saw it
    passed over, and a ranker would learn that what fits best is not wanted. item int (n,): of the log's rows.
    """
    if requests.excluded is None or requests.excluded_indptr is None:
        return shown
    ends = requests.excluded_indptr
    return [
        part[~np.isin(item[part], requests.excluded[ends[at] : ends[at + 1]])]
        for at, part in enumerate(shown)
    ]


def _not_shown(
    blended: Blended, row: int, request: int, shown: np.ndarray, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Some candidates of a request that its slate did not have, at random; their position is −1."""
    rest = np.flatnonzero((blended.item[row] >= 0) & ~np.isin(blended.item[row], shown))
    drawn = rng.permutation(rest)[:n]
    return _part(blended, row, request, drawn, np.ones(len(drawn)), np.full(len(drawn), -1))


def _part(
    blended: Blended, row: int, request: int, chosen: np.ndarray, weight: np.ndarray, position: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Rows of one request: some of its candidates, by their places in the line."""
    return (
        np.full(len(chosen), request),
        blended.item[row, chosen],
        blended.ranks[row, chosen],
        blended.scores[row, chosen],
        weight,
        position,
    )


def _find(line: np.ndarray, items: np.ndarray) -> np.ndarray:
    order = np.argsort(line, kind="stable")
    return order[np.searchsorted(line[order], items)]


def _sampled(
    dataset: Dataset,
    blended: Blended,
    users: np.ndarray,
    moments: np.ndarray,
    start: int,
    rng: np.random.Generator,
) -> list[tuple[np.ndarray, ...]]:
    """All candidates that fulfil some objective, and a weighted sample of those that fulfil none."""
    item = blended.item
    size = item.shape[1]
    flat_users, flat_moments = np.repeat(users, size), np.repeat(moments, size)
    flat = np.maximum(item.ravel(), 0)
    taken = np.zeros(len(flat), bool)
    for objective in dataset.project.objectives.values():
        positive = objective.model_copy(update={"kind": "probability"})
        taken |= labels(dataset.log, positive, flat_users, flat, flat_moments - 1) > 0
    taken = taken.reshape(item.shape) & (item >= 0)
    wanted = dataset.project.rank.negatives
    parts: list[tuple[np.ndarray, ...]] = []
    for row in range(len(item)):
        yes = np.flatnonzero(taken[row])
        no = np.flatnonzero(~taken[row] & (item[row] >= 0))
        # the top of the list is where the ranker will be used: half of the sample is from there
        top, rest = no[: wanted // 2], no[wanted // 2 :]
        drawn = rng.permutation(len(rest))[: wanted - len(top)]
        share = len(rest) / max(len(drawn), 1)
        chosen = np.concatenate([yes, top, rest[drawn]])
        weight = np.concatenate([np.ones(len(yes) + len(top)), np.full(len(drawn), share)])
        parts.append(_part(blended, row, start + row, chosen, weight, np.zeros(len(chosen))))
    return parts


def _context(dataset: Dataset, asked: Moments) -> dict[str, Attribute]:
    """The context columns of the event that each request came from."""
    if not dataset.log.context:
        return {}
    log = dataset.log
    low = np.searchsorted(log.time, asked.moments)
    high = np.searchsorted(log.time, asked.moments, side="right")
    rows = np.array(
        [lo + int(np.argmax(log.user[lo:hi] == u)) for lo, hi, u in zip(low, high, asked.users, strict=True)],
        np.int64,
    )
    return {name: a.take(rows) for name, a in log.context.items()}


__all__ = ["TrainingSet", "make_training_set", "past_requests"]
