"""Looking into a model: what the ranker sees, and what is known of one item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shortlist.cascade.catalogue import Catalogue
from shortlist.cascade.encode import encode
from shortlist.cascade.model import Model
from shortlist.cascade.run import BATCH, Cascade, ScoredBatch
from shortlist.cascade.state import LiveState
from shortlist.cascade.values import ValueReader
from shortlist.data.dataset import Dataset
from shortlist.data.slates import Recommendation
from shortlist.errors import RequestError, abbreviated, suggestion
from shortlist.features.keys import RequestKeys
from shortlist.features.rows import FeatureRows
from shortlist.requests import Contexts, RecommendRequest, check_n, context_of_each
from shortlist.retrieve import Requests


def candidates(
    model: Model,
    state: LiveState,
    users: Sequence[Any],
    contexts: Contexts = None,
    now: int | None = None,
    like: RecommendRequest | None = None,
    catalogue: Catalogue | None = None,
) -> list[ScoredBatch]:
    """The candidates of some users at this moment, with the matrix the ranker reads, in batches of at most 128.

    `like` is what is asked for each of them, `catalogue` the items with other settings of what may be shown.
    """
    each = context_of_each(contexts, len(users))
    moment = state.now() if now is None else now
    asked = like or RecommendRequest()
    requests = [
        replace(asked, user=user, context=context, now=moment)
        for user, context in zip(users, each, strict=True)
    ]
    resolved = Cascade.resolve(model, state, requests, catalogue)
    return [
        Cascade.score(model, state, resolved[start : start + BATCH])
        for start in range(0, len(resolved), BATCH)
    ]


def encode_requests(model: Model, state: LiveState, requests: Sequence[RecommendRequest]) -> Requests:
    """Inputs of the retrievers for some requests of one moment and with the same filters."""
    resolved = Cascade.resolve(model, state, requests)
    with state.reading(resolved[0].moment):
        return encode(model, state, resolved).requests


def visitor_features(model: Model, state: LiveState, item: int) -> dict[str, float | None]:
    """The feature values of an item (code) for a new visitor, but for what sources say of it; None where unknown.

    Codes of categories say nothing to people and are left out; the attributes of the item name them.
    """
    resolved = Cascade.resolve(model, state, [RecommendRequest()])
    names = list(model.retrievers)
    unknown = np.full((1, len(names)), np.nan, np.float32)
    with state.reading(resolved[0].moment):
        encoded = encode(model, state, resolved)
        rows = FeatureRows(
            RequestKeys(encoded.codes, encoded.context, encoded.requests.attributes),
            encoded.requests.moments,
            encoded.histories,
            np.zeros(1, np.int64),
            np.array([item], np.int32),
            names,
            unknown,
            unknown,
        )
        matrix = model.features.online_matrix(rows, state.counters, state.item_features)
    declared, types = model.features.names([]), model.features.types([])
    return {
        name: None if np.isnan(value) else round(float(value), 5)
        for name, kind, value in zip(declared, types, matrix[0, : len(declared)].tolist(), strict=True)
        if kind != "c"
    }


def some_users(dataset: Dataset, n: int) -> list[Any]:
    """Return up to n user ids with at least five events (or the log's maximum), spread over the log's users."""
    sizes = np.diff(dataset.histories.indptr)
    eligible = np.flatnonzero(sizes >= min(5, sizes.max(initial=1)))
    chosen = eligible[:: max(1, len(eligible) // n)][:n] if n and len(eligible) else eligible[:0]
    return dataset.users.ids.ids(chosen)


def last_contexts(dataset: Dataset, users: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the context of each user's last event in the log."""
    log, ids = dataset.log, dataset.users.ids
    if not log.context:
        return [{} for _ in users]
    last = np.full(len(dataset.users), -1, np.int64)
    last[log.user] = np.arange(len(log))  # the later event overwrites
    return [
        {
            name: value
            for name, a in log.context.items()
            if code >= 0 and (value := a.show(int(last[code]))) is not None
        }
        for code in ids.codes(users).tolist()
    ]


def similar_items(state: LiveState, item: Any, n: int, source: str | None = None) -> list[Recommendation]:
    """The items most similar to one, by the first retriever that finds any.

    `source` names the retriever to ask; `together` gives what is bought with the item, and is used only when it is
    named. Raises `RequestError` for an item or a source that does not exist.
    """
    check_n(n)
    catalogue = state.catalogue
    code = catalogue.items.ids.code(item)
    if code < 0:
        raise RequestError(f"item: the catalogue has no item {abbreviated(item)}", field="item")
    if source is not None and source not in catalogue.retrievers:
        raise RequestError(
            f"by: there is no source {abbreviated(source)}{suggestion(source, catalogue.retrievers)}; "
            f"there are: {', '.join(catalogue.retrievers)}",
            field="by",
        )
    reader = ValueReader(state, catalogue, None, -1, (), None)
    values = reader.values(catalogue.pipeline.hide_uses, state.now(), code)
    allowed = catalogue.allowed(None, values)
    shown = ~catalogue.retired if allowed is None else allowed
    for name, retriever in catalogue.retrievers.items():
        goes_with = retriever.name == "together"
        scores = retriever.similar(code) if source == name or (source is None and not goes_with) else None
        if scores is None:
            continue
        scores = scores.copy()
        if code < len(scores):
            scores[code] = -np.inf
        scores[~shown[: len(scores)]] = -np.inf
        order = np.argsort(-scores, kind="stable")[:n]
        order = order[scores[order] > 0]
        if len(order):
            ids, titles = catalogue.items.ids, catalogue.items.titles
            reason = f"{'Goes with' if goes_with else 'Like'} {titles[code]}"
            return [
                Recommendation(ids.id(int(i)), titles[int(i)], float(scores[i]), {}, {name: rank}, reason)
                for rank, i in enumerate(order.tolist())
            ]
    return []
