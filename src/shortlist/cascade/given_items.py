"""Rank given items for a user: the list comes from elsewhere, and the cascade orders it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shortlist.cascade.answer_warnings import known_items_warning
from shortlist.cascade.model import Model
from shortlist.cascade.respond import policy_name, recommendations, warnings_of
from shortlist.cascade.run import Cascade
from shortlist.cascade.state import LiveState
from shortlist.data.slates import Slate
from shortlist.errors import RequestError
from shortlist.requests import RecommendRequest

MOST = 10_000
"""Items that can be ranked at once."""


def rank_items(model: Model, state: LiveState, request: RecommendRequest, items: Sequence[Any]) -> Slate:
    """Order given items by utility for one request, best first.

    Every item that the catalogue has is ranked, also what the user has had already; nothing is filtered, explored or
    diversified.

    Raises
    ------
    RequestError
        If there are no items, or too many.
    """
    wanted = list(dict.fromkeys(items))
    if not 1 <= len(wanted) <= MOST:
        raise RequestError(f"items must be 1 to {MOST:,} ids and are {len(wanted):,}", field="items")
    resolved = Cascade.resolve(
        model, state, [replace(request, filters=None, boosts=None, explore=0.0, seed=None)]
    )
    ids = resolved[0].catalogue.items.ids
    codes = ids.codes(wanted)
    unknown = [item for item, code in zip(wanted, codes.tolist(), strict=True) if code < 0]
    known = np.unique(codes[codes >= 0])
    scored = Cascade.score(model, state, resolved, required=[known])
    rows = np.flatnonzero(np.isin(scored.rows.item, known))
    rows = rows[np.argsort(-scored.utility[rows], kind="stable")]
    warnings = [
        *warnings_of(model, resolved[0], scored.known[0]),
        *known_items_warning("items", unknown, ids),
    ]
    return Slate(
        uuid.uuid4().hex,
        request.user,
        scored.known[0],
        recommendations(model, scored, rows, np.ones(len(rows))),
        model.version,
        unknown,
        policy=policy_name(model, resolved[0]),
        warnings=warnings,
    )
