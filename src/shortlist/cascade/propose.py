"""Candidates of requests: what the sources propose together, and what is one in any case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.catalogue import Catalogue
from shortlist.cascade.encode import EncodedBatch, ResolvedRequest
from shortlist.cascade.model import Model
from shortlist.cascade.state import LiveState
from shortlist.features.keys import RequestKeys
from shortlist.features.rows import FeatureRows
from shortlist.rerank.cold_start import MAX_CANDIDATES
from shortlist.retrieve.fusion.blend import blend


def propose(
    model: Model,
    state: LiveState,
    encoded: EncodedBatch,
    batch: Sequence[ResolvedRequest],
    required: Sequence[NDArray[np.integer]] | None,
) -> FeatureRows:
    """Return the candidates of one batch as feature rows.

    Parameters
    ----------
    model, state
        The recommender.
    encoded, batch
        The requests.
    required
        For each request, items that are candidates in any case. None: those of earlier pages, the newest of the catalogue, and those that
        pins name.
    """
    requests, catalogue = encoded.requests, batch[0].catalogue
    # with earlier pages, there is room for their items, the newest and another page
    later = required is None and any(len(one.earlier.items) for one in batch)
    room = max(one.request.size for one in batch) if later else 0
    required = _forced(state, encoded, batch) if required is None else required
    blended = blend(
        catalogue.retrievers,
        requests,
        max([batch[0].candidates, *(len(items) + room for items in required or ())]),
        required,
        model.project.retrieve.candidates,
        n_items=len(catalogue.items),
    )
    keys = RequestKeys(encoded.codes, encoded.context, requests.attributes)
    return blended.feature_rows(keys, requests.moments, encoded.histories)


def only(rows: FeatureRows, required: Sequence[NDArray[np.integer]]) -> FeatureRows:
    """Return the rows of required items."""
    bounds = rows.bounds.tolist()
    kept = [np.isin(rows.item[bounds[at] : bounds[at + 1]], items) for at, items in enumerate(required)]
    return rows.some(np.concatenate(kept))


def _forced(
    state: LiveState, encoded: EncodedBatch, batch: Sequence[ResolvedRequest]
) -> list[NDArray[np.integer]] | None:
    """Items that are candidates in any case: of earlier pages, the newest, while they have an exposure budget, and those that pins name."""
    found = [
        items for items in (_newest(state, encoded, batch[0].catalogue), _pinned(encoded, batch)) if items
    ]
    if any(len(one.earlier.items) for one in batch):
        found.append([one.earlier.items for one in batch])
    if len(found) < 2:
        return found[0] if found else None
    return [np.unique(np.concatenate(parts)) for parts in zip(*found, strict=True)]


def _pinned(encoded: EncodedBatch, batch: Sequence[ResolvedRequest]) -> list[NDArray[np.integer]] | None:
    """The items that pins of each request's page and later ones name, as far as the request permits them."""
    placed = {one.request.placement for one in batch}
    rules = [rule for name in placed for rule in batch[0].catalogue.pipeline_at(name).settings.rules]
    if not any(rule.action == "pin" for rule in rules):
        return None
    requests, found = encoded.requests, list[NDArray[np.integer]]()
    for row, one in enumerate(batch):
        nothing, first = np.empty(0, np.int64), one.earlier.slots
        items = np.unique(
            np.concatenate([nothing, *(items for slot, items in one.pipeline.pinned if slot >= first)])
        )
        if requests.allowed is not None:
            items = items[requests.allowed[items]]
        if requests.excluded_indptr is not None and requests.excluded is not None:
            low, high = requests.excluded_indptr[row : row + 2]
            items = items[~np.isin(items, requests.excluded[low:high])]
        found.append(items)
    return found if any(map(len, found)) else None


def _newest(
    state: LiveState, encoded: EncodedBatch, catalogue: Catalogue
) -> list[NDArray[np.integer]] | None:
    """The newest items for each request, while they have an exposure budget."""
    if state.cold_start is None:
        return None
    requests = encoded.requests
    moment = int(requests.moments.max(initial=0))
    newest = state.cold_start.new_items(catalogue.first_seen, moment, requests.allowed)[: 4 * MAX_CANDIDATES]
    if requests.excluded_indptr is None or requests.excluded is None:
        return [newest[:MAX_CANDIDATES]] * len(requests)
    found: list[NDArray[np.integer]] = []
    for row in range(len(requests)):
        low, high = requests.excluded_indptr[row : row + 2]
        found.append(newest[~np.isin(newest, requests.excluded[low:high])][:MAX_CANDIDATES])
    return found
